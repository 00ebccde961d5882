"""A run as a Markdown report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fusion.engine.sentences import rechecked
from fusion.engine.types import Assessment, Contradiction, Final, FinalKind, Judgement, Point, RunState, Sight, Usage
from fusion.live.record import AnswerRecord, Attempted, CallRecord, ImageFacts, RunRecord
from fusion.runs.costs import exact_usd, run_cost, was_turned_away
from fusion.runs.report_debate import debate_section
from fusion.runs.report_text import fenced, inline, quoted

__all__ = ["attempted_words", "fenced", "final_source", "inline", "ranking_words", "record_to_markdown"]


def record_to_markdown(
    record: RunRecord, finals: Sequence[RunRecord] = (), earlier: Mapping[str, Sequence[AnswerRecord]] | None = None
) -> str:
    """A readable report of the run: prompt, final with its source, verdict, answers, receipt.

    `finals`: the run once for each of its finals; those that `record` does not show follow its verdict. `earlier`: what
    members answered before they were asked anew; it stands below the answer that replaced it.
    """
    others = [other for other in finals if other.final.number != record.final.number]
    parts = [
        _head(record),
        "## Prompt\n\n" + fenced(record.prompt) + _images(record),
        _final(record),
        _verdict(record.judge.judgement),
        debate_section(record),
        *(_other_final(other) for other in others),
        "## Answers\n\n" + "\n\n".join(_with_earlier(record, letter, earlier or {}) for letter in record.answers),
        _receipt(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(record: RunRecord) -> str:
    facts = [
        f"- **State:** {record.state.value}",
        f"- **Pool:** {inline(record.pool_name)}, version {record.pool_version}",
        f"- **Mode:** {record.mode.value}",
        f"- **Asked by:** {inline(record.author)}",
        f"- **Asked at:** {record.created_at.isoformat(timespec='seconds')}",
    ]
    facts += [f"- **Note:** {inline(note.message)}" for note in record.degraded]
    if record.failure is not None:
        facts.append(f"- **Failed:** {inline(record.failure.message)}")
    if record.attempted is not None:
        facts.append(f"- **Since then:** {_attempted(record.attempted)}")
    if record.simulated:
        facts.append(
            "- **Simulated:** some or all of these answers come from the built-in simulation, not from a model"
        )
    return f"# Run {record.public_id}\n\n" + "\n".join(facts)


def _images(record: RunRecord) -> str:
    """The images of the question by format and size; they are not in the report."""
    if not record.images:
        return ""
    lines = [f"- {image_words(image)}" for image in record.images]
    how = sight_words(record.judge.sight)
    judge = f"\n\nThe judge {how}." if how else ""
    return "\n\nImages (not in this file):\n\n" + "\n".join(lines) + judge


def image_words(image: ImageFacts) -> str:
    kind = image.media_type.removeprefix("image/").upper()
    return f"{kind}, {image.width} × {image.height} pixels, {image.bytes:,} bytes"


def sight_words(sight: Sight | None) -> str:
    """How somebody got the images; empty where there were none."""
    words = {
        Sight.SEEN: "saw the images",
        Sight.TOLD: "cannot see and was told of the images",
        Sight.REFUSED: "refused the images and was told of them",
        Sight.LEFT_OUT: "cannot see and was left out",
    }
    return "" if sight is None else words[sight]


def _attempted(attempted: Attempted) -> str:
    reason = f" {inline(attempted.failure.message)}" if attempted.failure is not None else ""
    return f"{inline(attempted_words(attempted))}.{reason} The final stands as before."


_CUT_OFF = {RunState.CANCELLED: "was stopped", RunState.INTERRUPTED: "was interrupted"}


def attempted_words(attempted: Attempted) -> str:
    """What was done to have another final, and how it ended without one."""
    by = f" by {attempted.judge.name}" if attempted.judge is not None else ""
    what = f"Judging again{by}" if attempted.rejudged else "Running what was missing"
    return f"{what} {_CUT_OFF.get(attempted.state, 'gave no new final')}"


def _final(record: RunRecord, *, title: str = "Final") -> str:
    final = record.final.final
    if final is None:
        return f"## {title}\n\nThis run has no final."
    notes = [f"Source: {final_source(final)}."]
    if final.writer:
        notes.append(f"Written by {inline(record.facts(final.writer).name)}.")
    if record.final.out_of_date:
        notes.append("Out of date: an answer was asked anew after it was written.")
    return f"## {title}\n\n{' '.join(notes)}\n\n{fenced(final.text)}"


def _other_final(record: RunRecord) -> str:
    """A final that is kept beside the final, with the verdict that it rests on."""
    mark = next(mark for mark in record.finals if mark.number == record.final.number)
    made = [f"mode {mark.mode.value}", f"rubric {mark.rubric}"]
    if mark.judge is not None:
        made.append(f"judged by {inline(mark.judge.name)}")
    if mark.picked_by:
        made = [f"picked by {inline(mark.picked_by)}"]
    what = "the final of this run" if mark.is_current else "kept beside the final"
    title = f"Final {mark.number} ({what}): {', '.join(made)}"
    parts = [_final(record, title=title)]
    if not mark.picked_by:
        parts.append(_verdict(record.judge.judgement, title=f"Verdict of final {mark.number}"))
        parts.append(debate_section(record, title=f"Debate before final {mark.number}"))
    return "\n\n".join(part for part in parts if part)


def final_source(final: Final) -> str:
    """Where the final comes from, in a few words for people."""
    letter = final.letter or "?"
    words = {
        FinalKind.VERBATIM: f"verbatim from {letter}",
        FinalKind.MERGED: f"merged, built on {letter}",
        FinalKind.RULED: f"ruled on after a debate, built on {letter}",
        FinalKind.SINGLE: f"single answer ({letter}), not judged",
        FinalKind.ANCHOR: f"no verdict; the anchor's answer ({letter})",
        FinalKind.PICKED: f"picked by a person, not judged ({letter})",
    }[final.kind]
    return f"{words}, cut off" if final.truncated else words


# --- the verdict -------------------------------------------------------------------------------------


def _verdict(judgement: Judgement | None, *, title: str = "Verdict") -> str:
    if judgement is None:
        return ""
    verdict = judgement.verdict
    sections: Iterable[tuple[str, Sequence[str]]] = (
        ("Assessments", [line for one in verdict.assessments for line in _assessment(one)]),
        ("Consensus", _points(verdict.consensus)),
        ("Contradictions", [line for one in verdict.contradictions for line in _contradiction(one)]),
        ("Partial coverage", _points(verdict.partial_coverage)),
        ("Unique points", _points(verdict.unique)),
        ("Blind spots", [f"- {inline(spot)}" for spot in verdict.blind_spots]),
    )
    body = "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in sections if lines)
    return f"## {title}\n\n{_verdict_head(judgement)}" + (f"\n\n{body}" if body else "")


def _verdict_head(judgement: Judgement) -> str:
    verdict = judgement.verdict
    facts = [
        f"- **Outcome:** {verdict.verdict.replace('_', ' ')} ({judgement.standing.replace('_', ' ')})",
        f"- **Chosen:** {judgement.chosen or 'none'}",
        f"- **Ranking:** {ranking_words(verdict.ranking)}",
        f"- **Judge:** {inline(judgement.judge)}, who saw anonymous answers in the order {', '.join(judgement.order)}",
        f"- **Rationale:** {_rationale(judgement)}",
    ]
    if verdict.notes.strip():
        facts.append(f"- **Notes:** {inline(verdict.notes)}")
    if judgement.recheck is not None:
        facts.append(f"- **Judged again:** {rechecked(judgement.recheck)}")
    facts += [f"- **Tries to steer the judge:** {note.letter}: “{inline(note.quote)}”" for note in verdict.integrity]
    return "\n".join(facts)


def _rationale(judgement: Judgement) -> str:
    if judgement.analysis_missing:
        return "none; only the choice could be read from what the judge replied"
    return inline(judgement.verdict.rationale)


def ranking_words(ranking: Iterable[Iterable[str]]) -> str:
    """Tie groups, best first: `A, B = C`."""
    return ", ".join(" = ".join(group) for group in ranking) or "none"


def _assessment(one: Assessment) -> Iterator[str]:
    scores = ", ".join(f"{inline(name)} {score}/5" for name, score in one.scores.items())
    yield f"- **{one.letter}:** {one.composite:.0f}/100" + (f" ({scores})" if scores else "")
    if one.fatal_flaw:
        yield f"    - **Fatal flaw:** {inline(one.fatal_flaw)}"
    for strength in one.strengths:
        yield f"    - **Strength:** {inline(strength)}"
    for problem in one.problems:
        yield f"    - **Problem ({problem.severity}):** {inline(problem.issue)}{quoted(problem.quote)}"


def _points(points: Iterable[Point]) -> list[str]:
    return [f"- **{_letters(one.letters)}** ({one.standing}): {inline(one.text)}{quoted(one.quote)}" for one in points]


def _contradiction(one: Contradiction) -> Iterator[str]:
    yield f"- **Topic:** {inline(one.topic)}" + (" (material)" if one.material else "")
    for stance in one.stances:
        yield f"    - **{_letters(stance.letters)}:** {inline(stance.stance)}{quoted(stance.quote)}"
    if one.resolution:
        sides = f" for {_letters(one.resolved_for)}" if one.resolved_for else ""
        yield f"    - **Resolved{sides} ({one.basis.replace('_', ' ')}):** {inline(one.resolution)}"


def _letters(letters: Sequence[str]) -> str:
    return ", ".join(letters) or "–"


# --- answers and receipt -------------------------------------------------------------------------------


def _with_earlier(record: RunRecord, letter: str, earlier: Mapping[str, Sequence[AnswerRecord]]) -> str:
    answer = record.answers[letter]
    head = f"### {letter}: {inline(answer.endpoint.name)} ({inline(answer.endpoint.provider)})"
    late = ("late: not judged",) if record.is_unjudged(letter) else ()
    sight = (sight_words(answer.sight),) if answer.sight is not None else ()
    older = [f"#### Earlier: attempt {one.attempt}\n\n{_answer(one)}" for one in earlier.get(letter, ())]
    return "\n\n".join([head, _answer(answer, *late, *sight), *older])


def _answer(answer: AnswerRecord, *facts: str) -> str:
    said = [answer.state.value.replace("_", " "), *_times(answer.ttft_ms, answer.total_ms), *facts]
    if answer.usage is not None:
        said.append(f"{answer.usage.output_tokens} tokens out")
    lines = [", ".join(said)]
    if answer.failure is not None:
        lines.append(f"Error: {inline(answer.failure.message)}")
    if answer.text:
        lines.append(fenced(answer.text))
    return "\n\n".join(lines)


def _times(ttft_ms: int | None, total_ms: int | None) -> Iterator[str]:
    if ttft_ms is not None:
        yield f"first token after {ttft_ms / 1000:.1f} s"
    if total_ms is not None:
        yield f"{total_ms / 1000:.1f} s in all"


def _receipt(record: RunRecord) -> str:
    if not record.calls:
        return "## Receipt\n\nNo call was made."
    rows = [
        "| Role | Answer | Model | Status | Tokens in | Tokens out | Time | Cost |",
        "|---|---|---|---|--:|--:|--:|--:|",
    ]
    rows += [_receipt_row(call) for call in record.calls.values()]
    cost = run_cost(record)
    missing = f" ({cost.unknown} call{'s' * (cost.unknown != 1)} with no known price)" if cost.unknown else ""
    rows.append(f"\nTotal: {cost.exact_words or '$?'}{missing}.")
    return "## Receipt\n\n" + "\n".join(rows)


def _receipt_row(call: CallRecord) -> str:
    ended = call.ended
    cost = "–" if was_turned_away(call) else exact_usd(None if ended is None else ended.cost_nanos)
    source = {"upstream": " reported", "price": " computed"}.get(call.cost_source, "")
    cells = (
        call.started.role.value + (f", round {call.round}" if call.round else ""),
        call.started.letter or "–",
        inline(call.endpoint.name),
        "running" if ended is None else ended.status,
        *_token_cells(None if ended is None else ended.usage),
        "–" if ended is None else f"{ended.total_ms / 1000:.1f} s",
        cost + source,
    )
    return "| " + " | ".join(cells) + " |"


def _token_cells(usage: Usage | None) -> tuple[str, str]:
    if usage is None:
        return "–", "–"
    about = "≈" if usage.estimated else ""
    return f"{about}{usage.input_tokens}", f"{about}{usage.output_tokens}"
