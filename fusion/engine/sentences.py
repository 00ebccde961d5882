"""What a run says to people about its own shortcomings: one sentence per fact, naming members by letter and model."""

from __future__ import annotations

from collections.abc import Sequence

from fusion.engine.disputes import Ruling
from fusion.engine.events import JudgeFailed
from fusion.engine.types import Answer, AnswerState, Failure, Judgement, Mode, Plan, Recheck
from fusion.errors import ProviderTimeout

STATE_WORDS = {
    AnswerState.REFUSED: "refused",
    AnswerState.EMPTY: "sent an empty answer",
    AnswerState.FAILED: "failed",
    AnswerState.STOPPED: "was stopped",
    AnswerState.INTERRUPTED: "was interrupted",
    AnswerState.LEFT_OUT: "left out, because it cannot see the images",
}


def interrupted() -> Failure:
    return Failure("interrupted", "The run was interrupted; what had come by then is kept.")


def nobody_answered(plan: Plan, answers: Sequence[Answer]) -> Failure:
    if len(answers) == 1:
        return Failure("no_answers", f"There is no answer: {_reasons(plan, answers)}")
    return Failure("no_answers", f"None of the {len(answers)} members gave an answer. {_reasons(plan, answers)}")


def single_answer(plan: Plan, answers: Sequence[Answer], answer: Answer) -> str:
    missing = [other for other in answers if not other.state.is_usable]
    return (
        f"Only {_member(plan, answer.letter)} of {len(plan.members)} members answered, so nothing was judged. "
        f"{_reasons(plan, missing)}"
    ).strip()


def quorum_missed(plan: Plan, usable: int, quorum: int, answers: Sequence[Answer]) -> str:
    missing = [answer for answer in answers if not answer.state.is_usable]
    only = f"Only {usable} of {len(plan.members)} members answered; this pool wants {quorum}."
    return f"{only} {_reasons(plan, missing)}".strip()


def judged_early(plan: Plan, usable: int, left_out: Sequence[str]) -> str:
    waiting = _members(plan, left_out)
    return f"Judged with {usable} of {len(plan.members)} answers, as asked, without waiting for {waiting}."


def left_out(plan: Plan, letters: Sequence[str]) -> str:
    return f"Judged without {_members(plan, letters)}, still under way when the wait for late answers ended."


def judge_fallback(plan: Plan, judgement: Judgement, failures: Sequence[JudgeFailed]) -> str:
    return f"{_judge_reasons(plan, failures, but=judgement.judge)}; judged by {_judge(plan, judgement.judge)}."


def analysis_missing(plan: Plan, judgement: Judgement) -> str:
    said = "only named a winner" if judgement.verdict.winner is not None else "only called it a tie"
    lost = {Mode.MERGE: ", so there was nothing to merge", Mode.DEBATE: ", so there was nothing to debate or to merge"}
    return f"{_judge(plan, judgement.judge)} {said}: its analysis could not be read{lost.get(plan.mode, '')}."


def rechecked(recheck: Recheck) -> str:
    """What a reader must know of a chosen answer that speaks to judges."""
    letter = recheck.letter
    return {
        "held": f"Answer {letter} contains text that tries to steer a judge. It was judged again without that text and "
        "chosen again.",
        "overturned": f"Answer {letter} was chosen at first, but it contains text that tries to steer a judge. Judged "
        "again without that text it was not chosen, so it is disqualified.",
        "unseen": f"Answer {letter} contains hidden text that tries to steer a judge. It was taken out before judging, "
        "so the judge did not see it.",
        "failed": f"Answer {letter} contains text that tries to steer a judge and could not be judged again without "
        "that text. The first verdict stands; read it with care.",
    }[recheck.result]


def no_verdict(plan: Plan, failures: Sequence[JudgeFailed]) -> Failure:
    if not failures:
        return Failure("no_verdict", "No judge could be asked.")
    return Failure("no_verdict", f"No judge gave a verdict: {_judge_reasons(plan, failures)}.")


def left_out_of_debate(plan: Plan, letters: Sequence[str]) -> str:
    return f"{_members(plan, letters)} took no part in the debate: what was written there speaks to a judge."


def ruling_failed(plan: Plan, failures: Sequence[JudgeFailed], *, chosen: str | None) -> str:
    """`chosen`: the letter that the verdict before the debate chose."""
    reasons = _judge_reasons(plan, failures) or "nobody could be asked"
    merged = "The answer is merged from the verdict before the debate instead."
    return f"No judge ruled on the debate: {reasons}. {merged if chosen else 'The verdict before it chose no answer.'}"


def ruling_fallback(plan: Plan, ruling: Ruling, failures: Sequence[JudgeFailed]) -> str:
    return (
        f"{_judge_reasons(plan, failures, but=ruling.judge)}; the debate was ruled on by {_judge(plan, ruling.judge)}."
    )


def none_chosen(judgement: Judgement) -> Failure:
    if judgement.standing == "cannot_judge":
        return Failure("cannot_judge", "The judge could not tell which answer is right, so there is no final answer.")
    return Failure(
        "none_acceptable", "The judge held none of the answers to be acceptable, so there is no final answer."
    )


def writer_failed(base: Answer) -> str:
    return f"The merged answer could not be written; this is answer {base.letter}, which it would have been built on."


def _reasons(plan: Plan, answers: Sequence[Answer]) -> str:
    return " ".join(f"{_member(plan, answer.letter)}: {_reason(answer)}" for answer in answers)


def _reason(answer: Answer) -> str:
    if answer.failure is not None:
        return _full_stop(answer.failure.message)
    return f"{STATE_WORDS.get(answer.state, answer.state.value)}."


def _judge_reasons(plan: Plan, failures: Sequence[JudgeFailed], *, but: str | None = None) -> str:
    """The last failure of each judge, in the order in which they were asked."""
    last = {(failure.attempt, failure.ref): failure for failure in failures if failure.ref != but}
    return "; ".join(_judge_reason(plan, failure) for failure in last.values())


def _judge_reason(plan: Plan, failed: JudgeFailed) -> str:
    name, message = _judge(plan, failed.ref), failed.failure.message.rstrip(".")
    if failed.failure.code == ProviderTimeout.code:
        return f"{name} timed out"
    return message if name in message else f"{name} failed ({message})"


def _full_stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _members(plan: Plan, letters: Sequence[str]) -> str:
    return " and ".join(_member(plan, letter) for letter in letters) or "anyone"


def _member(plan: Plan, letter: str) -> str:
    return next((f"{letter} ({member.endpoint.name})" for member in plan.members if member.letter == letter), letter)


def _judge(plan: Plan, ref: str) -> str:
    return next((judge.name for judge in plan.judges if judge.ref == ref), ref)
