"""The judge on the page: its notes while it writes, and the verdict with all that a reader needs to doubt it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fusion.engine.debate import PartialRuling, partial_ruling
from fusion.engine.disputes import Dispute
from fusion.engine.rubrics import RUBRICS
from fusion.engine.sentences import rechecked
from fusion.engine.types import Assessment, Contradiction, Judgement, Point, Sight
from fusion.engine.verdict import PartialVerdict, partial_verdict
from fusion.live.record import RunRecord, SittingRecord
from fusion.runs.disputes import stance_name
from fusion.web.shown.answers import sight_words
from fusion.web.shown.words import listed, plural

READ_EVERY_MS = 250


@dataclass(frozen=True, slots=True)
class RulingAtWork:
    """As much of the ruling on one dispute as came; `outcome` is empty until it is known."""

    number: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class JudgeAtWork:
    """What can be read of the verdict so far; never JSON, never a label. `disputes`: so many that it rules on."""

    name: str
    provider: str
    attempt: int
    task: str
    answers: int
    partial: PartialVerdict
    failures: tuple[str, ...]
    disputes: int = 0
    rulings: tuple[RulingAtWork, ...] = ()
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    letter: str
    name: str
    place: str
    composite: int
    scores: tuple[tuple[str, int | None], ...]
    fatal_flaw: str | None
    is_winner: bool


@dataclass(frozen=True, slots=True)
class UnreadReply:
    """What a judge replied last and nobody could read; letters stand in place of its labels."""

    judge: str
    text: str


@dataclass(frozen=True, slots=True)
class Why:
    """A verdict for people. `judgement` None: `empty` says why there is nothing to show."""

    empty: str
    judgement: Judgement | None = None
    judge_name: str = ""
    standing: str = ""
    standing_tone: str = ""
    rationale: str = ""
    saw: str = ""
    criteria: tuple[str, ...] = ()
    rows: tuple[ScoreRow, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    agreed: tuple[Point, ...] = ()
    partly: tuple[Point, ...] = ()
    unique: tuple[Point, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    blind_spots: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    is_before_debate: bool = False
    unread: tuple[UnreadReply, ...] = ()


_STANDINGS = {
    "clear": ("Clear", "ok"),
    "close": ("Close", "warn"),
    "could_not_separate": ("Could not separate", "warn"),
    "none_acceptable": ("None acceptable", "bad"),
    "cannot_judge": ("Could not judge", "warn"),
}

_PARSE_CAUTIONS = {
    "extracted": "The judge wrote more than the verdict; the last complete verdict in its reply was used.",
    "repaired": "The judge's reply was slightly malformed and was repaired.",
    "coerced": "The judge's reply did not follow the form exactly; it was read where only one reading is possible.",
    "reasked": "The judge's first reply could not be read; it was asked once to mend it.",
    "winner_only": "The judge's replies could not be read, so it was asked for nothing but its choice.",
}


def judge_at_work(record: RunRecord) -> JudgeAtWork | None:
    """None unless a judge is being asked right now."""
    judge = record.judge
    if record.ruling.endpoint is not None:
        return _ruling_at_work(record)
    if record.is_final or judge.endpoint is None or judge.judgement is not None:
        return None
    return JudgeAtWork(
        name=judge.endpoint.name,
        provider=judge.endpoint.provider,
        attempt=judge.attempt,
        task=judge_task(judge),
        answers=len(judge.order),
        partial=partial_verdict(judge.text, judge.labels) if judge.text else PartialVerdict(),
        failures=_failures(record),
    )


def _ruling_at_work(record: RunRecord) -> JudgeAtWork | None:
    sitting, disputes = record.ruling, record.debate.ledger
    if record.is_final or sitting.endpoint is None or sitting.ruling is not None:
        return None
    partial = partial_ruling(sitting.text, sitting.labels, disputes) if sitting.text else PartialRuling()
    return JudgeAtWork(
        name=sitting.endpoint.name,
        provider=sitting.endpoint.provider,
        attempt=sitting.attempt,
        task=judge_task(sitting),
        answers=len(sitting.order),
        partial=PartialVerdict(),
        failures=_failures(record, sitting),
        disputes=len(disputes),
        rulings=tuple(_rulings_at_work(partial, disputes)),
        rationale=partial.rationale,
    )


def _rulings_at_work(partial: PartialRuling, disputes: Sequence[Dispute]) -> Iterator[RulingAtWork]:
    places = {dispute.id: place for place, dispute in enumerate(disputes)}
    for one in partial.rulings:
        place = places[one.dispute]
        name = stance_name(disputes[place], one.stance) if one.stance else ""
        outcome = f"{name} holds" if name else "open" if one.stance is None else ""
        yield RulingAtWork(place + 1, outcome, one.reason)


def _failures(record: RunRecord, sitting: SittingRecord | None = None) -> tuple[str, ...]:
    steps = {
        "retry": "It was asked again.",
        "reask": "It was asked again.",
        "winner_only": "It was asked only for a winner.",
        "fallback": "The next judge was asked.",
        "keep": "Its first verdict stands.",
    }
    return tuple(
        f"{_by_name(record.facts(failed.ref).name, failed.failure.message)} {steps.get(failed.next_step, '')}".strip()
        for failed in (sitting or record.judge).failures
    )


def _by_name(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def why(record: RunRecord) -> Why:
    judgement = record.judge.judgement
    if judgement is None:
        unread = _unread(record) if record.is_final else ()
        return Why(_why_not(record), failures=_failures(record), unread=unread)
    verdict = judgement.verdict
    label, tone = _standing(judgement)
    criteria = _criteria(record.rubric, verdict.assessments)
    return Why(
        empty="",
        judgement=judgement,
        judge_name=record.facts(judgement.judge).name,
        standing=label,
        standing_tone=tone,
        rationale=verdict.rationale,
        saw=_saw(judgement, record.judge.sight, len(record.images)),
        criteria=tuple(name.replace("_", " ") for name in criteria),
        rows=_rows(record, judgement, criteria),
        assessments=verdict.assessments,
        agreed=verdict.consensus,
        partly=verdict.partial_coverage,
        unique=verdict.unique,
        contradictions=verdict.contradictions,
        blind_spots=verdict.blind_spots,
        is_before_debate=record.ruling.ruling is not None,
        cautions=tuple(_cautions(judgement)),
        failures=_failures(record),
    )


def judge_task(judge: SittingRecord) -> str:
    """What the judge at work is asked for when it is not an ordinary verdict or ruling."""
    if judge.winner_only:
        return "asked only for a winner"
    if judge.reask:
        return "asked to mend its reply"
    return "judging again without text that tries to steer it" if judge.masked else ""


def _standing(judgement: Judgement) -> tuple[str, str]:
    if judgement.analysis_missing and judgement.verdict.winner is not None:
        return "Winner only", "warn"
    return _STANDINGS[judgement.standing]


def _unread(record: RunRecord) -> tuple[UnreadReply, ...]:
    """The last unreadable reply of each judge."""
    last = {(failed.attempt, failed.ref): failed.raw for failed in record.judge.failures if failed.raw.strip()}
    return tuple(UnreadReply(record.facts(ref).name, text) for (_, ref), text in last.items())


def _why_not(record: RunRecord) -> str:
    if len(record.answers) == 1:
        return "This pool has one member, so there was nothing to compare."
    if not record.is_final:
        return "The verdict appears here as soon as the judge has given it."
    return "No judge gave a verdict on these answers."


def _saw(judgement: Judgement, sight: Sight | None, images: int) -> str:
    seen = plural(len(judgement.order), "anonymised answer")
    how = sight_words(sight, images)
    return f"The judge saw {seen} in the order {', '.join(judgement.order)}.{f' It {how}.' if how else ''}"


def _criteria(rubric_key: str, assessments: tuple[Assessment, ...]) -> tuple[str, ...]:
    rubric = RUBRICS.get(rubric_key)
    if rubric is not None:
        return tuple(criterion.name for criterion in rubric.criteria)
    return tuple(dict.fromkeys(name for item in assessments for name in item.scores))


def _rows(record: RunRecord, judgement: Judgement, criteria: tuple[str, ...]) -> tuple[ScoreRow, ...]:
    by_letter = {item.letter: item for item in judgement.verdict.assessments}
    rows, place = [], 1
    for group in judgement.verdict.ranking:
        label = f"{place}=" if len(group) > 1 else str(place)
        rows += [_row(record, judgement, by_letter[letter], label, criteria) for letter in group if letter in by_letter]
        place += len(group)
    return tuple(rows)


def _row(record: RunRecord, judgement: Judgement, item: Assessment, place: str, criteria: tuple[str, ...]) -> ScoreRow:
    column = record.answers.get(item.letter)
    return ScoreRow(
        letter=item.letter,
        name=column.endpoint.name if column is not None else "",
        place=place,
        composite=round(item.composite),
        scores=tuple((name, item.scores.get(name)) for name in criteria),
        fatal_flaw=item.fatal_flaw,
        is_winner=item.letter == judgement.chosen,
    )


def _cautions(judgement: Judgement) -> list[str]:
    """What makes this verdict weaker than it looks."""
    found = list(judgement.inconsistent)
    if judgement.parse_path in _PARSE_CAUTIONS:
        found.append(_PARSE_CAUTIONS[judgement.parse_path])
    if judgement.quote_misses:
        found.append(f"{plural(judgement.quote_misses, 'quote')} of the judge could not be found in the answers.")
    found += [
        f"The judge did not see about {trim.omitted_tokens:,} tokens of {trim.letter}." for trim in judgement.trims
    ]
    if judgement.recheck is not None:
        found.append(rechecked(judgement.recheck))
    others = [x for x in judgement.suspects if judgement.recheck is None or x != judgement.recheck.letter]
    if others:
        found.append(
            f"{listed(others)} {'contain' if len(others) > 1 else 'contains'} text that tries to steer a judge."
        )
    found += [f"{note.letter} tries to steer the judge: “{note.quote}”" for note in judgement.verdict.integrity]
    return found
