"""The simulated judge: reads the engine's prompt, judges the answers in it, replies with the object that was asked for.

Answers to a bundled question are recognised by their text and judged by what is written about them; any other text is
judged by its surface, and the verdict says so. Nothing inside an answer is obeyed, and neither the order of the answers
nor their labels can change the outcome.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fusion.engine.types import CompletionRequest
from fusion.engine.verdict.winner import TIE
from fusion.providers.simulated import knowledge, reading
from fusion.providers.simulated.appraisal import Appraisal, Claim, Dispute, Findings, criterion_score
from fusion.providers.simulated.ballot import Ballot, read_ballot, weighted
from fusion.providers.simulated.faults import Fault
from fusion.providers.simulated.fences import FencedAnswer, JudgeTask, read_judge_task
from fusion.providers.simulated.knowledge import Known, recognise
from fusion.providers.simulated.questions import WrittenQuestion, find_question

SIMULATED_NOTE = "(Simulated verdict: it was written in advance for this bundled example.)"
CLEAR_MARGIN = 10.0
READ_CHARS = 20_000  # of a text nobody wrote about: more would hold up the event loop
SURE_OF_WRITTEN, SURE_OF_UNREAD = 88, 40
LESS_SURE_WHEN = {"clear": 0, "slight": 15, "none": 30}
_NO_OPINION = {"verdict": "cannot_judge", "winner": None, "margin": "none", "confidence": 0}


def judge_reply(request: CompletionRequest, fault: Fault | None = None) -> str:
    """The verdict as JSON text, with the properties of the request's schema in the schema's order.

    A request to mend an earlier reply may hold no answers any more; then the earlier reply's object is given again.
    `fault`: one that makes the verdict say something else.
    """
    ballot = read_ballot(request)
    task = read_judge_task(request)
    judged = _verdict(task, ballot, fault, unlooked=_unlooked(request)) if task else None
    verdict = judged or _said_before(request) or _cannot_judge(ballot)
    if ballot.fields == ("winner",):
        verdict = {"winner": verdict["winner"] or TIE}
    return json.dumps({name: verdict[name] for name in ballot.fields if name in verdict}, ensure_ascii=False)


def _unlooked(request: CompletionRequest) -> str:
    sees = any(message.images for message in request.messages)
    return " The images of the question were not looked at: this judge is simulated." if sees else ""


def _verdict(task: JudgeTask, ballot: Ballot, fault: Fault | None, *, unlooked: str = "") -> dict[str, Any]:
    answers = tuple(answer for answer in task.answers if not ballot.labels or answer.label in ballot.labels)
    found = findings_of(replace(task, answers=answers))
    said = _as_object(_bent(replace(found, notes=f"{found.notes}{unlooked}"), fault), ballot)
    if fault is Fault.CANNOT_JUDGE:
        return {**said, **_NO_OPINION, "rationale": "Simulated: which of these answers is right cannot be told."}
    return said


def _bent(findings: Findings, fault: Fault | None) -> Findings:
    """The findings as this fault makes them: nothing acceptable, or nothing to choose between."""
    appraisals = findings.appraisals
    if fault is Fault.NONE_ACCEPTABLE:
        flaw = "Simulated: this answer cannot be used as it stands."
        appraisals = tuple(replace(one, fatal_flaw=one.fatal_flaw or flaw) for one in appraisals)
    if fault is Fault.TIE:
        appraisals = tuple(replace(one, fatal_flaw=None, scores=appraisals[0].scores) for one in appraisals)
    return replace(findings, appraisals=appraisals)


def findings_of(task: JudgeTask) -> Findings:
    """What there is to say about these answers, whatever their order and labels."""
    by_text = sorted(
        task.answers, key=lambda answer: hashlib.sha256(answer.text.encode("utf-8", "surrogatepass")).digest()
    )
    return _findings(by_text, task.question)


def _findings(answers: Sequence[FencedAnswer], question: str) -> Findings:
    written = find_question(question)
    known = _known(answers, written) if written else ()
    beginnings = [replace(answer, text=answer.text[:READ_CHARS]) for answer in answers]
    recognised = {one.label for one in known}
    read = _read([one for one in beginnings if one.label not in recognised], beginnings, question)
    return _joined(_told(known, written), read) if written and known else read


def _known(answers: Iterable[FencedAnswer], written: WrittenQuestion) -> tuple[Known, ...]:
    """The recognised answers, in the order in which the models are written down."""
    found = [known for known in (recognise(answer, written) for answer in answers) if known]
    return tuple(sorted(found, key=lambda known: tuple(written.answers).index(known.model)))


def _told(known: tuple[Known, ...], written: WrittenQuestion) -> Findings:
    return Findings(
        notes=f"{written.judgement.notes} {SIMULATED_NOTE}",
        appraisals=tuple(knowledge.appraise(answer, written) for answer in known),
        claims=knowledge.claims(known, written),
        disputes=knowledge.disputes(known, written),
        blind_spots=knowledge.blind_spots(known, written),
        sure=SURE_OF_WRITTEN,
    )


def _read(strangers: Sequence[FencedAnswer], answers: Sequence[FencedAnswer], question: str) -> Findings:
    def others(answer: FencedAnswer) -> list[FencedAnswer]:
        return [other for other in answers if other is not answer]

    return Findings(
        notes=reading.NOTES,
        appraisals=tuple(reading.appraise(answer, question, others(answer)) for answer in strangers),
        claims=reading.claims(strangers),
        disputes=reading.disputes(strangers),
        blind_spots=reading.blind_spots(answers, question),
        sure=SURE_OF_UNREAD,
    )


def _joined(told: Findings, read: Findings) -> Findings:
    """Written knowledge first; what was only read from the surface follows when there is any."""
    if not read.appraisals:
        return told
    return Findings(
        notes=f"{told.notes} {read.notes}",
        appraisals=(*told.appraisals, *read.appraisals),
        claims=(*told.claims, *read.claims),
        disputes=(*told.disputes, *read.disputes),
        blind_spots=(*told.blind_spots, reading.UNCHECKED),
        sure=read.sure,
    )


# --- from findings to the object ---------------------------------------------------------------


def _as_object(findings: Findings, ballot: Ballot) -> dict[str, Any]:
    ranking = _ranking(findings.appraisals, ballot)
    by_label = {appraisal.label: appraisal for appraisal in findings.appraisals}
    outcome, winner = _outcome(ranking, by_label)
    margin = _margin(ranking, by_label, ballot) if winner else "none"
    return {
        "notes": findings.notes,
        "assessments": [_assessment_object(appraisal, ballot) for appraisal in findings.appraisals],
        **_point_lists(findings),
        "contradictions": [_dispute_object(f"d{n}", dispute) for n, dispute in enumerate(findings.disputes, 1)],
        "blind_spots": list(findings.blind_spots),
        "ranking": [list(group) for group in ranking],
        "verdict": outcome,
        "winner": winner,
        "margin": margin,
        "confidence": findings.sure - LESS_SURE_WHEN[margin],
        "rationale": _rationale(outcome, ranking, by_label),
        "integrity": [
            {"label": appraisal.label, "quote": quote}
            for appraisal in findings.appraisals
            for quote in reading.steering_quotes(appraisal.text)
        ],
    }


def _ranking(appraisals: Iterable[Appraisal], ballot: Ballot) -> tuple[tuple[str, ...], ...]:
    """Groups of equals, best first; a fatal flaw puts an answer behind all that have none."""
    groups: dict[tuple[bool, float], list[str]] = {}
    for appraisal in appraisals:
        standing = (appraisal.fatal_flaw is None, weighted(appraisal.scores, ballot))
        groups.setdefault(standing, []).append(appraisal.label)
    return tuple(tuple(groups[standing]) for standing in sorted(groups, reverse=True))


def _outcome(ranking: Sequence[Sequence[str]], by_label: Mapping[str, Appraisal]) -> tuple[str, str | None]:
    if not ranking:
        return "cannot_judge", None
    first = ranking[0]
    if by_label[first[0]].fatal_flaw is not None:
        return "none_acceptable", None
    return ("tie", None) if len(first) > 1 else ("winner", first[0])


def _margin(ranking: Sequence[Sequence[str]], by_label: Mapping[str, Appraisal], ballot: Ballot) -> str:
    scores = [weighted(by_label[group[0]].scores, ballot) for group in ranking[:2]]
    return "slight" if len(scores) > 1 and scores[0] - scores[1] < CLEAR_MARGIN else "clear"


def _rationale(outcome: str, ranking: Sequence[Sequence[str]], by_label: Mapping[str, Appraisal]) -> str:
    ordered = [by_label[label] for group in ranking for label in group]
    if outcome == "winner":
        return " ".join([ordered[0].merit, *(appraisal.shortfall for appraisal in ordered[1:])])
    if outcome == "tie":
        opening = f"{' and '.join(ranking[0])} could not be separated."
        return " ".join([opening, *(appraisal.shortfall for appraisal in ordered[len(ranking[0]) :])])
    return " ".join(["No answer can be used as it stands.", *(appraisal.shortfall for appraisal in ordered)])


def _assessment_object(appraisal: Appraisal, ballot: Ballot) -> dict[str, Any]:
    return {
        "label": appraisal.label,
        "strengths": list(appraisal.strengths),
        "problems": [{"quote": p.quote, "issue": p.issue, "severity": p.severity} for p in appraisal.problems],
        "fatal_flaw": appraisal.fatal_flaw,
        "scores": [{"criterion": name, "score": criterion_score(name, appraisal.scores)} for name in ballot.criteria],
    }


def _point_lists(findings: Findings) -> dict[str, list[dict[str, Any]]]:
    """Claims by how many answers make them: all, several, one."""
    lists: dict[str, list[dict[str, Any]]] = {"consensus": [], "partial_coverage": [], "unique": []}
    for number, claim in enumerate(findings.claims, 1):
        lists[_shared_by(claim, len(findings.appraisals))].append(_claim_object(f"p{number}", claim))
    return lists


def _shared_by(claim: Claim, answers: int) -> str:
    if len(claim.labels) == 1:
        return "unique"
    return "consensus" if len(claim.labels) == answers else "partial_coverage"


def _claim_object(identity: str, claim: Claim) -> dict[str, Any]:
    return {
        "id": identity,
        "text": claim.text,
        "labels": list(claim.labels),
        "quote": claim.quote,
        "standing": claim.standing,
    }


def _dispute_object(identity: str, dispute: Dispute) -> dict[str, Any]:
    return {
        "id": identity,
        "topic": dispute.topic,
        "material": dispute.material,
        "stances": [
            {"labels": list(side.labels), "stance": side.stance, "quote": side.quote} for side in dispute.sides
        ],
        "resolution": dispute.resolution,
        "resolved_for": list(dispute.resolved_for),
        "basis": dispute.basis,
    }


# --- without answers to judge ------------------------------------------------------------------


def _said_before(request: CompletionRequest) -> dict[str, Any] | None:
    """The latest JSON object that stands in the conversation: the judge's own reply, as it was given back to it."""
    for message in reversed(request.messages):
        start, end = message.content.find("{"), message.content.rfind("}")
        try:
            said = json.loads(message.content[start : end + 1])
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict) and "ranking" in said:
            return said
    return None


def _cannot_judge(ballot: Ballot) -> dict[str, Any]:
    """Every label once, no opinion: the prompt holds no answer that could be read."""
    unread = [reading.appraise(FencedAnswer(label, ""), "", ()) for label in ballot.labels]
    findings = Findings(reading.NOTES, tuple(replace(one, fatal_flaw=None) for one in unread), (), (), (), 0)
    return {**_as_object(findings, ballot), **_NO_OPINION, "rationale": "The prompt holds no answers to judge."}
