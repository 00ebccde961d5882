"""Which claims of the other answers go into the base, decided in code from the verdict, not by an LLM."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from fusion.engine.prompts import PatchKind
from fusion.engine.types import Contradiction, Judgement, Verdict

PATCHES_MAX = 12
SAME_CLAIM = 92
SETTLED = ("checked", "evidence_in_answer", "reasoning")


@dataclass(frozen=True, slots=True)
class Patch:
    """One change to the base. `letters`: whose claim it is; `quote`: their words, verified, or empty."""

    id: str
    kind: PatchKind
    claim: str
    quote: str
    letters: tuple[str, ...]


def plan_patches(judgement: Judgement, base: str) -> tuple[Patch, ...]:
    """The patches for this base, at most twelve, what corrects the base first.

    Settled contradictions correct the base, open ones show both sides; points that the base does not make are added
    when supported and hedged when plausible. Doubtful and wrong points stay out, and so does all that rests only on an
    answer with a fatal flaw or one that tries to steer the judge. How many answers make a point does not count.
    """
    verdict, barred = judgement.verdict, barred_letters(judgement, base)
    return numbered(
        [
            *contradiction_patches(verdict.contradictions, base, barred),
            *point_patches(verdict, base, barred),
        ]
    )


def numbered(candidates: Iterable[Patch]) -> tuple[Patch, ...]:
    """The first twelve that do not say the same, as c1, c2, …"""
    kept: list[Patch] = []
    for patch in candidates:
        if len(kept) < PATCHES_MAX and not any(_is_same(patch, other) for other in kept):
            kept.append(replace(patch, id=f"c{len(kept) + 1}"))
    return tuple(kept)


def barred_letters(judgement: Judgement, base: str) -> frozenset[str]:
    """Answers that give nothing to a merge on this base: with a fatal flaw, or trying to steer the judge."""
    flawed = {item.letter for item in judgement.verdict.assessments if item.fatal_flaw is not None}
    return frozenset((flawed | set(judgement.suspects)) - {base})


def point_patches(verdict: Verdict, base: str, barred: Collection[str]) -> Iterator[Patch]:
    """What the base does not say: supported points to add, then plausible ones to hedge."""
    points = [*verdict.partial_coverage, *verdict.unique]
    kinds: tuple[tuple[str, PatchKind], ...] = (("supported", "add"), ("plausible", "hedge"))
    for standing, kind in kinds:
        for point in points:
            letters = _sources(point.letters, barred)
            if point.standing == standing and base not in point.letters and letters and point.text.strip():
                yield Patch("", kind, point.text.strip(), point.quote, letters)


def contradiction_patches(
    contradictions: Iterable[Contradiction], base: str, barred: Collection[str]
) -> Iterator[Patch]:
    """What the verdict settled against the base, and what it left open."""
    for contradiction in contradictions:
        if not contradiction.material:
            continue
        patch = _settled(contradiction, base, barred) if _is_settled(contradiction) else _open(contradiction, barred)
        if patch is not None:
            yield patch


def _is_settled(contradiction: Contradiction) -> bool:
    return contradiction.basis in SETTLED and contradiction.resolution is not None


def _settled(contradiction: Contradiction, base: str, barred: Collection[str]) -> Patch | None:
    """The resolution; nothing to do when the base is on the right side already."""
    letters = _sources(contradiction.resolved_for, barred)
    if base in contradiction.resolved_for or (contradiction.resolved_for and not letters):
        return None
    claim = f"{contradiction.topic.strip()}: {(contradiction.resolution or '').strip()}"
    return Patch("", "resolve", claim, _stance_quote(contradiction, letters), letters)


def _open(contradiction: Contradiction, barred: Collection[str]) -> Patch | None:
    """Both sides, as far as an answer that may be used holds them; one side alone is no dispute."""
    stances = [(stance, letters) for stance in contradiction.stances if (letters := _sources(stance.letters, barred))]
    if len(stances) < 2:
        return None
    sides = "; or: ".join(stance.stance.strip() for stance, _ in stances)
    quotes = " / ".join(stance.quote for stance, _ in stances if stance.quote)
    letters = tuple(sorted({letter for _, owners in stances for letter in owners}))
    return Patch("", "both_sides", f"{contradiction.topic.strip()}: either {sides}", quotes, letters)


def _stance_quote(contradiction: Contradiction, letters: Collection[str]) -> str:
    quotes = (stance.quote for stance in contradiction.stances if set(stance.letters) & set(letters))
    return next((quote for quote in quotes if quote), "")


def _sources(letters: Sequence[str], barred: Collection[str]) -> tuple[str, ...]:
    return tuple(letter for letter in letters if letter not in barred)


def _is_same(patch: Patch, other: Patch) -> bool:
    return fuzz.token_sort_ratio(patch.claim.lower(), other.claim.lower()) >= SAME_CLAIM
