"""What a ruling changes in the answer that it builds on, as patches for the writer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusion.engine.debate.ledger import Ledger, find_disputes, nearest_stance, stance_named
from fusion.engine.debate.shown import Veil
from fusion.engine.disputes import Dispute, DisputeRuling, LedgerStance, Ruling
from fusion.engine.merge.plan import Patch, barred_letters, contradiction_patches, numbered, point_patches
from fusion.engine.types import Judgement, Point, Verdict

PLAIN = Veil((), question="")  # the final speaks of the matter, never of answers or how many


def plan_ruled_patches(judgement: Judgement, ruling: Ruling, ledger: Ledger) -> tuple[Patch, ...]:
    """The patches for the ruling's base: what was ruled first, then whatever else the verdict gives, as in a merge.

    A dispute that was settled for a stance which the base has not taken corrects the base; one that is open gives both
    sides, with the test that would settle it. A point of the verdict that says what was ruled against stays out.
    """
    verdict, barred = judgement.verdict, barred_letters(judgement, ruling.base)
    debated = [contradiction for contradiction, _ in find_disputes(judgement, ledger.debaters)]
    others = [contradiction for contradiction in verdict.contradictions if contradiction not in debated]
    kept = _without_losers(verdict, ruling, ledger)
    return numbered(
        [
            *_ruled(ruling, ledger),
            *contradiction_patches(others, ruling.base, barred),
            *point_patches(kept, ruling.base, barred),
        ]
    )


def _ruled(ruling: Ruling, ledger: Ledger) -> Iterator[Patch]:
    by_id = {dispute.id: dispute for dispute in ledger.disputes}
    for one in ruling.rulings:
        dispute = by_id.get(one.dispute)
        if dispute is None:
            continue
        stance = stance_named(dispute, one.stance or "")
        patch = _open(dispute, one, ledger) if stance is None else _settled(dispute, stance, one, ruling.base, ledger)
        if patch is not None:
            yield patch


def _settled(dispute: Dispute, stance: LedgerStance, ruled: DisputeRuling, base: str, ledger: Ledger) -> Patch | None:
    """The stance that holds, with the judge's reason; nothing to do when the base says just that."""
    at_first = _at_first(ledger, stance.id)
    if at_first is not None and base in at_first.letters and at_first.text == stance.text:
        return None
    reason = f" Reason: {PLAIN.words(ruled.reason)}" if ruled.reason.strip() else ""
    claim = f"{_topic(dispute)}: {_sentence(stance.text)}{reason}"
    return Patch("", "resolve", claim, stance.quote, _authors(ledger, stance))


def _open(dispute: Dispute, ruled: DisputeRuling, ledger: Ledger) -> Patch | None:
    stances = [stance for stance in dispute.stances if stance.alive]
    if len(stances) < 2:
        return None
    sides = "; or: ".join(PLAIN.words(stance.text).rstrip(".") for stance in stances)
    test = f" What would settle it: {PLAIN.words(ruled.test)}" if ruled.test.strip() else ""
    quotes = " / ".join(stance.quote for stance in stances if stance.quote)
    letters = tuple(sorted({letter for stance in stances for letter in _authors(ledger, stance)}))
    return Patch("", "both_sides", f"{_topic(dispute)}: either {sides}.{test}", quotes, letters)


def _at_first(ledger: Ledger, stance: str) -> LedgerStance | None:
    return next((one for dispute in ledger.opened for one in dispute.stances if one.id == stance), None)


def _authors(ledger: Ledger, stance: LedgerStance) -> tuple[str, ...]:
    """Whose claim a stance is: of those whose answers make it, else of those who brought it up in the debate."""
    at_first = _at_first(ledger, stance.id)
    if at_first is not None:
        return at_first.letters
    came = sorted((number, letter) for number, letter, move in ledger.moves() if move.stance == stance.id)
    return tuple(sorted({letter for number, letter in came if number == came[0][0]})) or stance.letters


def _without_losers(verdict: Verdict, ruling: Ruling, ledger: Ledger) -> Verdict:
    held = {one.dispute: one.stance for one in ruling.rulings if one.stance is not None}
    losers = [
        stance
        for dispute in (*ledger.opened, *ledger.disputes)
        if dispute.id in held
        for stance in dispute.stances
        if stance.id != held[dispute.id]
    ]
    quotes = {stance.quote for stance in losers if stance.quote}

    def kept(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(one for one in points if one.quote not in quotes and nearest_stance(one.text, losers) is None)

    return replace(verdict, partial_coverage=kept(verdict.partial_coverage), unique=kept(verdict.unique))


def _topic(dispute: Dispute) -> str:
    return PLAIN.words(dispute.topic)


def _sentence(text: str) -> str:
    text = PLAIN.words(text)
    return text if text.endswith((".", "!", "?")) else f"{text}."
