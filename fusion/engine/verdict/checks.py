"""What a well-formed verdict must also satisfy, and its translation from labels to letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusion.engine.rubrics import composite
from fusion.engine.types import (
    Assessment,
    Contradiction,
    IntegrityNote,
    Point,
    Problem,
    Rubric,
    Stance,
    Verdict,
)
from fusion.engine.verdict.names import Names, storable
from fusion.engine.verdict.quotes import Quotes
from fusion.engine.verdict.wire import WireAssessment, WireContradiction, WirePoint, WireVerdict

MISS_SHARE = 0.3
MISS_SAMPLE = 3  # with fewer quotes, one slip says nothing about a judge
STEERING_MIN_BYTES = 12  # of a passage that tries to steer; in UTF-8 four Chinese characters count as twelve letters
LIST_MAX = 40
TEXT_MAX = 8_000


@dataclass(frozen=True, slots=True)
class Checked:
    verdict: Verdict
    inconsistent: tuple[str, ...]
    quote_misses: int


def check(wire: WireVerdict, *, labels: Mapping[str, str], texts: Mapping[str, str], rubric: Rubric) -> Checked:
    """Translate to letters, complete the ranking, verify every quote, and say where the judge contradicts itself.

    `labels`: letter to label; `texts`: by letter. The wire verdict must name no other label. Contradictions with itself
    are sentences; a judge that invents more than 30 % of its quotes is not to be believed either.
    """
    translator = _Translator(Names(labels), Quotes(texts), rubric)
    verdict = translator.verdict(wire)
    quotes = translator.quotes
    inconsistent = list(_contradicts_itself(verdict))
    if quotes.checked >= MISS_SAMPLE and quotes.missed > MISS_SHARE * quotes.checked:
        inconsistent.append(f"{quotes.missed} of {quotes.checked} quotes do not occur in the answers.")
    return Checked(verdict, tuple(inconsistent), quotes.missed)


def _contradicts_itself(verdict: Verdict) -> list[str]:
    if verdict.winner is None:
        return []
    by_letter = {item.letter: item for item in verdict.assessments}
    winner = by_letter[verdict.winner]
    better = [
        item.letter for item in verdict.assessments if item.fatal_flaw is None and item.composite > winner.composite
    ]
    found = []
    if verdict.winner not in verdict.ranking[0]:
        found.append(f"Answer {verdict.winner} is named the winner but not ranked first.")
    if winner.fatal_flaw is not None:
        found.append(f"Answer {verdict.winner} is named the winner but has a fatal flaw.")
    if better:
        found.append(f"Answer {verdict.winner} is named the winner but {_answers(better)} scored higher.")
    return found


def _answers(letters: Sequence[str]) -> str:
    return f"Answer{'s' if len(letters) > 1 else ''} {', '.join(letters)}"


class _Translator:
    """Turns wire values into the engine's, letter by letter, quote by quote."""

    def __init__(self, names: Names, quotes: Quotes, rubric: Rubric) -> None:
        self.names = names
        self.quotes = quotes
        self.rubric = rubric

    def verdict(self, wire: WireVerdict) -> Verdict:
        assessments = tuple(sorted((self._assessment(item) for item in wire.assessments), key=lambda item: item.letter))
        return Verdict(
            notes=self._prose(wire.notes),
            assessments=assessments,
            consensus=self._points(wire.consensus),
            partial_coverage=self._points(wire.partial_coverage),
            unique=self._points(wire.unique),
            contradictions=tuple(self._contradiction(item) for item in wire.contradictions[:LIST_MAX]),
            blind_spots=self._proses(wire.blind_spots),
            ranking=self._ranking(wire.ranking, [item.letter for item in assessments]),
            verdict=wire.verdict,
            winner=None if wire.winner is None else self.names.letter(wire.winner),
            margin=wire.margin,
            confidence=min(100, max(0, wire.confidence)),
            rationale=self._prose(wire.rationale),
            integrity=self._integrity(wire),
        )

    def _assessment(self, wire: WireAssessment) -> Assessment:
        letter = self.names.letter(wire.label)
        wanted = {criterion.name for criterion in self.rubric.criteria}
        scores = {score.criterion: score.score for score in wire.scores if score.criterion in wanted}
        flaw = self._prose(wire.fatal_flaw or "").strip()
        return Assessment(
            letter=letter,
            strengths=self._proses(wire.strengths),
            problems=tuple(
                Problem(self._quote(item.quote, [letter]), self._prose(item.issue), item.severity)
                for item in wire.problems[:LIST_MAX]
            ),
            fatal_flaw=flaw or None,
            scores=scores,
            composite=composite(self.rubric, scores),
        )

    def _points(self, points: Sequence[WirePoint]) -> tuple[Point, ...]:
        return tuple(self._point(point) for point in points[:LIST_MAX])

    def _point(self, wire: WirePoint) -> Point:
        letters = self._letters(wire.labels)
        return Point(
            self._id(wire.id), self._prose(wire.text), letters, self._quote(wire.quote, letters), wire.standing
        )

    def _contradiction(self, wire: WireContradiction) -> Contradiction:
        return Contradiction(
            id=self._id(wire.id),
            topic=self._prose(wire.topic),
            material=wire.material,
            stances=tuple(
                Stance(letters, self._prose(item.stance), self._quote(item.quote, letters))
                for item in wire.stances[:LIST_MAX]
                for letters in [self._letters(item.labels)]
            ),
            resolution=self._prose(wire.resolution or "").strip() or None,
            resolved_for=self._letters(wire.resolved_for),
            basis=wire.basis,
        )

    def _ranking(self, groups: Sequence[Sequence[str]], letters: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """A partition of all letters: each where it is named first, those that are not named in a last group."""
        left = set(letters)
        ranking = []
        for group in groups:
            place = tuple(sorted({self.names.letter(label) for label in group} & left))
            left -= set(place)
            if place:
                ranking.append(place)
        return (*ranking, tuple(sorted(left))) if left else tuple(ranking)

    def _integrity(self, wire: WireVerdict) -> tuple[IntegrityNote, ...]:
        """Notes whose quote is real and says something: a judge that was talked into it could accuse an honest answer.

        Every sentence with the quote is masked in a second look, and "the" stands in all of them.
        """
        notes = ((self.names.letter(item.label), item.quote) for item in wire.integrity[:LIST_MAX])
        verified = (IntegrityNote(letter, self._quote(quote, [letter])) for letter, quote in notes)
        return tuple(note for note in verified if len(note.quote.encode()) >= STEERING_MIN_BYTES)

    def _letters(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted({self.names.letter(label) for label in labels}))

    def _quote(self, quote: str, letters: Sequence[str]) -> str:
        return self.quotes.verified(storable(quote[:TEXT_MAX]), letters)

    def _prose(self, text: str) -> str:
        return self.names.prose(text[:TEXT_MAX])

    def _proses(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._prose(text) for text in texts[:LIST_MAX])

    def _id(self, text: str) -> str:
        return self.names.prose(text[:40])
