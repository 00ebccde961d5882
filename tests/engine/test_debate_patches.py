"""What a ruling changes in the answer that it builds on: pure values, no calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fusion.engine.debate import Ledger, plan_ruled_patches
from fusion.engine.debate.ledger import find_disputes
from fusion.engine.disputes import Dispute, DisputeRuling, Move, Position, Ruling
from fusion.engine.types import Assessment, Contradiction, Judgement, Point, Stance, Verdict

PARIS, LYON, BERN = "Paris it is.", "Lyon it is.", "Bern, at the river Aare."
NO_QUOTE = ("", "", "")


def contradiction(topic: str, *sides: tuple[str, str], quotes: Sequence[str] = NO_QUOTE) -> Contradiction:
    stances = (Stance(tuple(letters), text, quote) for (letters, text), quote in zip(sides, quotes, strict=False))
    return Contradiction(topic, topic, True, tuple(stances), None, (), "cannot_tell")


CITY = contradiction("Which city?", ("A", PARIS), ("B", LYON), quotes=("In Paris.", "In Lyon.", ""))


def judged(*contradictions: Contradiction, **verdict: Any) -> Judgement:
    found = Verdict("", (), (), (), (), contradictions or (CITY,), (), (("A",),), "winner", "A", "clear", 80, "", ())
    labels = {letter: letter * 3 for letter in "ABC"}
    return Judgement(replace(found, **verdict), "fakes:judge", 1, (), labels, "clean", "A", "clear")


def debated(judgement: Judgement, *rounds: Sequence[tuple[str, Move]]) -> Ledger:
    """The ledger after these moves; every judged answer takes part."""
    ledger = Ledger([dispute for _, dispute in find_disputes(judgement, "ABC")], "ABC")
    for number, moves in enumerate(rounds, start=1):
        ledger.close_round(number, [Position(number, letter, (move,)) for letter, move in moves])
    return ledger


def concede(before: str, after: str, *, soft: bool = False) -> Move:
    return Move(before.partition("s")[0], "concede", before, after, "", "I was wrong.", soft=soft)


def claims(judgement: Judgement, ledger: Ledger, stance: str | None, *, base: str = "A", **more: Any) -> list[str]:
    return [patch.claim for patch in patches(judgement, ledger, stance, base=base, **more)]


def patches(judgement: Judgement, ledger: Ledger, stance: str | None, *, base: str = "A", **more: Any) -> Any:
    ruled = DisputeRuling("d1", stance, "checked" if stance else "cannot_tell", **{"reason": "", **more})
    ruling = Ruling("fakes:judge", 1, (), {}, "clean", (ruled,), base, 80, "")
    return plan_ruled_patches(judgement, ruling, ledger)


def point(text: str, *, quote: str = "", letters: str = "B") -> Point:
    return Point("u1", text, tuple(letters), quote, "supported")


def test_a_base_that_held_what_was_ruled_only_in_other_words_is_corrected() -> None:
    judgement = judged()
    reworded = Move("d1", "refine", "d1s1", "d1s1", "Paris it is, since 1790.", "")
    assert claims(judgement, debated(judgement), "d1s1") == []
    assert claims(judgement, debated(judgement, [("A", reworded)]), "d1s1") == ["Which city?: Paris it is, since 1790."]


def test_what_holds_comes_with_its_reason_and_its_quote_and_says_whose_it_was_before_the_debate() -> None:
    judgement = judged()
    ledger = debated(judgement, [("A", concede("d1s1", "d1s2"))])
    (patch,) = patches(judgement, ledger, "d1s2", reason="The law says so")
    assert (patch.kind, patch.claim) == ("resolve", "Which city?: Lyon it is. Reason: The law says so")
    assert (patch.quote, patch.letters) == ("In Lyon.", ("B",))


def test_a_stance_that_came_up_in_the_debate_is_of_those_who_brought_it_up() -> None:
    judgement = judged(contradiction("Which city?", ("A", PARIS), ("BC", LYON)))
    ledger = debated(judgement)
    ledger.place(ledger.disputes[0], BERN)
    ledger.close_round(1, [Position(1, "B", (concede("d1s2", "d1s3"),))])
    ledger.close_round(2, [Position(2, "C", (concede("d1s2", "d1s3"),)), Position(2, "B", (concede("d1s3", "d1s1"),))])
    (patch,) = patches(judgement, ledger, "d1s3")
    assert patch.letters == ("B",)


def test_an_open_dispute_gives_the_sides_that_are_alive_and_one_side_is_none() -> None:
    judgement = judged(
        contradiction("Which city?", ("A", PARIS), ("B", LYON), ("C", BERN), quotes=("In Paris.", "", "In Bern."))
    )
    (patch,) = patches(judgement, debated(judgement), None, test="Ask the mayor.")
    assert (patch.kind, patch.quote, patch.letters) == ("both_sides", "In Paris. / In Bern.", ("A", "B", "C"))
    assert patch.claim == (
        "Which city?: either Paris it is; or: Lyon it is; or: Bern, at the river Aare. "
        "What would settle it: Ask the mayor."
    )
    one_gone = debated(judgement, [("B", concede("d1s2", "d1s1"))])
    assert claims(judgement, one_gone, None) == ["Which city?: either Paris it is; or: Bern, at the river Aare."]
    settled = debated(judgement, [("B", concede("d1s2", "d1s1")), ("C", concede("d1s3", "d1s1"))])
    assert claims(judgement, settled, None) == []


def test_what_was_ruled_against_is_not_added_in_its_first_words_nor_in_its_last_nor_by_its_quote() -> None:
    points = [point(LYON), point("It was Lyon, by old custom."), point("The largest.", quote="In Lyon.")]
    harmless = [point("It lies on the Seine."), point("It is old.", quote="In Paris.")]
    reworded = Move("d1", "refine", "d1s2", "d1s2", "It was Lyon, by old custom.", "")
    for place in ("unique", "partial_coverage"):
        judgement = judged(**{place: (*points, *harmless)})
        ledger = debated(judgement, [("B", reworded)])
        assert claims(judgement, ledger, "d1s1", base="C")[1:] == ["It lies on the Seine.", "It is old."]


def test_a_point_without_a_quote_is_added_although_a_stance_without_one_lost() -> None:
    judgement = judged(
        contradiction("Which city?", ("A", PARIS), ("B", LYON)), unique=(point("It lies on the Seine."),)
    )
    assert claims(judgement, debated(judgement), "d1s1") == ["It lies on the Seine."]


def test_a_point_that_says_what_holds_is_added_as_any_other() -> None:
    judgement = judged(unique=(point("Paris it is!", letters="C"),))
    assert claims(judgement, debated(judgement), "d1s1") == ["Paris it is!"]


def test_what_was_not_debated_is_written_as_the_verdict_has_it_without_those_who_may_give_nothing() -> None:
    large = replace(contradiction("How large?", ("A", "Large."), ("BC", "Small.")), basis="checked")
    settled = replace(large, resolution="Small.", resolved_for=("B", "C"))
    old = replace(settled, topic="How old?", resolved_for=("B",))
    flawed = Assessment("B", (), (), "It is made up.", {}, 20)
    judgement = judged(settled, old, contradiction("How near?", ("A", "Near."), ("B", "Far.")), assessments=(flawed,))
    ruling = Ruling("fakes:judge", 1, (), {}, "clean", (), "A", 80, "")
    found = plan_ruled_patches(judgement, ruling, Ledger((), "A"))
    assert [(patch.claim, patch.letters) for patch in found] == [("How large?: Small.", ("C",))]


def test_a_ruling_on_no_dispute_that_there_is_changes_nothing() -> None:
    judgement = judged()
    ledger = Ledger([Dispute("d7", "Which?", ())], "ABC")
    assert claims(judgement, ledger, "d1s1") == []
