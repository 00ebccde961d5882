"""Reading, checking, deciding, showing and storing verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fusion.engine.rubrics import GENERAL
from fusion.engine.types import (
    FinishReason,
    IntegrityNote,
    Judgement,
    Problem,
    Trim,
)
from fusion.engine.verdict import (
    PartialVerdict,
    Reading,
    Rejection,
    Sheet,
    decide,
    judgement_from_dict,
    judgement_to_dict,
    partial_verdict,
    read_verdict,
    verdict_schema,
    verdict_to_dict,
)
from fusion.engine.verdict.names import Names
from fusion.engine.verdict.quotes import Quotes

LABELS = {"A": "K7T", "B": "Q2M", "C": "9XD"}
TEXTS = {
    "A": "Paris is the capital of France. It lies on the Seine and has had that role for centuries.",
    "B": "The capital is Paris, I believe, though Lyon is larger.",
    "C": "France has no capital.",
}
SHEET = Sheet(LABELS, TEXTS, GENERAL)
CRITERIA = [criterion.name for criterion in GENERAL.criteria]


def assessment(label: str, score: Any, **changes: Any) -> dict[str, Any]:
    scores = [{"criterion": name, "score": score} for name in CRITERIA]
    return {"label": label, "strengths": [], "problems": [], "fatal_flaw": None, "scores": scores} | changes


def wire(**changes: Any) -> dict[str, Any]:
    """A sound verdict for A, in the judge's words."""
    return {
        "notes": "K7T names the capital.",
        "assessments": [assessment("K7T", 5), assessment("Q2M", 3), assessment("9XD", 1)],
        "consensus": [],
        "partial_coverage": [],
        "unique": [],
        "contradictions": [],
        "blind_spots": [],
        "ranking": [["K7T"], ["Q2M"], ["9XD"]],
        "verdict": "winner",
        "winner": "K7T",
        "margin": "clear",
        "confidence": 90,
        "rationale": "Answer K7T is right, answer q2m is not sure, and `9XD` is wrong.",
        "integrity": [],
    } | changes


def read(raw: str | dict[str, Any], finish: FinishReason | None = FinishReason.STOP) -> Reading:
    reading = read_verdict(raw if isinstance(raw, str) else json.dumps(raw), finish=finish, sheet=SHEET)
    assert isinstance(reading, Reading), reading
    return reading


def reject(raw: str | dict[str, Any], finish: FinishReason | None = FinishReason.STOP) -> Rejection:
    rejection = read_verdict(raw if isinstance(raw, str) else json.dumps(raw), finish=finish, sheet=SHEET)
    assert isinstance(rejection, Rejection), rejection
    return rejection


# --- the ladder ----------------------------------------------------------------------------------

GOOD = json.dumps(wire())


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (GOOD, "clean"),
        (f"\n {json.dumps(wire(), indent=2)}\n", "clean"),
        (f"Here it is:\n```json\n{GOOD}\n```\nDone.", "extracted"),
        (f"\ufeff{GOOD} That's all {{really}}.", "extracted"),
        (f'<think>maybe {{"winner": "9XD"}} no</think>{GOOD}', "extracted"),
        (json.dumps(wire(winner="Q2M", ranking=[["Q2M"]])) + "\nWait, better:\n" + GOOD, "extracted"),
        (f'I weigh {{ the "answers. {GOOD}', "extracted"),
        (GOOD.replace('"notes"', "'notes'").replace("}]", "},]"), "repaired"),
        (GOOD.replace("null", "None")[:-1] + ", // done\n}", "repaired"),
        (GOOD.replace('"score": 5', '"score": "5"'), "coerced"),
        (GOOD.replace('"K7T"', '"Answer k7t"'), "coerced"),
        (json.dumps({key: value for key, value in wire().items() if key not in ("unique", "integrity")}), "coerced"),
        (json.dumps(wire(ranking=["K7T", "Q2M", "9XD"])), "coerced"),
        (json.dumps(wire(verdict="Winner", margin="huge")), "coerced"),
    ],
)
def test_a_reply_is_read_on_the_lowest_rung_that_can(raw: str, path: str) -> None:
    reading = read(raw)
    assert reading.parse_path == path
    assert reading.verdict.winner == "A"
    assert reading.verdict.ranking == (("A",), ("B",), ("C",))
    assert [item.composite for item in reading.verdict.assessments] == [100, 50, 0]


@pytest.mark.parametrize("scale", [10, 100])
def test_scores_on_another_scale_are_recognised_for_the_whole_reply(scale: int) -> None:
    top, middle = scale * 9 // 10, scale // 2
    scored = [assessment("K7T", top), assessment("Q2M", middle), assessment("9XD", 0)]
    reading = read(wire(assessments=scored))
    assert reading.parse_path == "coerced"
    assert [set(item.scores.values()) for item in reading.verdict.assessments] == [{5}, {3}, {1}]


def test_scores_between_nothing_and_one_are_recognised_too() -> None:
    scored = [assessment("K7T", 0.9), assessment("Q2M", 0.5), assessment("9XD", 0.0)]
    assert [set(item.scores.values()) for item in read(wire(assessments=scored)).verdict.assessments] == [{5}, {3}, {1}]


def test_what_cannot_be_read_is_taken_for_the_careful_choice() -> None:
    """No merge takes over a claim, and no dispute counts as settled, on a word that nobody knows."""
    point = {"id": "K7T-1", "text": "x", "labels": ["K7T"], "quote": "", "standing": "sure"}
    dispute = {"id": "d1", "topic": "x", "material": True, "stances": [], "resolution": "x", "resolved_for": []}
    verdict = read(wire(margin="huge", unique=[point], contradictions=[dispute | {"basis": "gut"}])).verdict
    assert (verdict.margin, verdict.unique[0].standing, verdict.contradictions[0].basis) == (
        "slight",
        "doubtful",
        "cannot_tell",
    )
    assert verdict.unique[0].id == "Answer A-1"


def test_what_no_database_takes_is_left_out() -> None:
    assert read(wire(notes="a\x00b\ud800c")).verdict.notes == "ab?c"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "I think the first answer is best.",
        "I cannot help with that.",
        GOOD[:-200],
        GOOD[: len(GOOD) // 3],
        "{}",
        "[]",
        "{'winner': 'K7T'}",
        "{" * 5_000,
        '{"a":' * 5_000,
        json.dumps(wire(verdict="victory")),
        json.dumps(wire(winner="ZZ9")),
        json.dumps(wire(winner="K7T or Q2M")),
        json.dumps(wire(winner=None)),
        json.dumps(wire(verdict="tie")),
        json.dumps(wire(ranking=[])),
        json.dumps(wire(assessments=[assessment("K7T", 5)])),
        json.dumps(wire(assessments=[assessment("K7T", 5)] * 3)),
    ],
)
def test_what_cannot_be_read_is_never_guessed(raw: str) -> None:
    assert reject(raw).errors


def test_a_cut_reply_is_not_repaired_although_repair_could() -> None:
    mended = GOOD.replace('"notes"', "'notes'")
    assert read(mended).parse_path == "repaired"
    assert reject(mended, finish=None).errors
    assert reject(mended, finish=FinishReason.OTHER).errors


def test_errors_name_what_is_wrong_and_whether_answers_are_needed_again() -> None:
    missing = reject(wire(assessments=[assessment("K7T", 5), assessment("Q2M", 3)]))
    assert missing.assessments_missing
    assert "`assessments` must hold `9XD` once, it holds it 0 times." in missing.errors
    undecided = reject(wire(winner=None))
    assert not undecided.assessments_missing
    assert undecided.errors == ('`verdict` is "winner", but `winner` is null.',)
    unscored = reject(wire(assessments=[assessment("K7T", 5, scores=[]), assessment("Q2M", 3), assessment("9XD", 1)]))
    assert unscored.assessments_missing
    assert "`K7T` lacks a score for `correctness`." in unscored.errors


# --- checks --------------------------------------------------------------------------------------


def test_labels_in_prose_become_letters() -> None:
    verdict = read(wire(blind_spots=["Both K7T and Q2M miss it."])).verdict
    assert verdict.notes == "Answer A names the capital."
    assert verdict.rationale == "Answer A is right, answer B is not sure, and Answer C is wrong."
    assert verdict.blind_spots == ("Both Answer A and Answer B miss it.",)
    assert not any(label in json.dumps(verdict_to_dict(verdict)).upper() for label in LABELS.values())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("答案K7T更好，Q2M错误。", "答案Answer A更好，Answer B错误。"),
        ("_K7T_ and **q2m**", "_Answer A_ and **Answer B**"),
        ("Die Antwort K7T und `9XD`", "Die Antwort A und Answer C"),
        ("La réponse K7T; las respuestas K7T", "La réponse A; las respuestas A"),
        ("AK7T, K7TX and 1K7T2 are other words", "AK7T, K7TX and 1K7T2 are other words"),
    ],
)
def test_a_label_is_found_in_any_language_and_markup(said: str, shown: str) -> None:
    assert read(wire(notes=said)).verdict.notes == shown
    assert partial_verdict(json.dumps({"notes": said}, ensure_ascii=False), LABELS).notes == shown


def test_a_label_that_is_still_being_written_is_not_shown_in_any_language() -> None:
    text = '{"notes": "答案K7T'
    assert [partial_verdict(text[:end], LABELS).notes for end in (-2, -1)] == ["答案", "答案"]


def test_a_ranking_becomes_a_partition() -> None:
    assert read(wire(ranking=[["K7T"], ["K7T"]])).verdict.ranking == (("A",), ("B", "C"))
    assert read(wire(ranking=[["9XD", "K7T"], []])).verdict.ranking == (("A", "C"), ("B",))


def test_what_a_judge_writes_without_end_is_cut_to_a_size_that_can_be_stored_and_shown() -> None:
    point = {"id": "p" * 99, "text": "x", "labels": [], "quote": "", "standing": "supported"}
    stances = [{"labels": [], "stance": "x", "quote": ""}] * 99
    dispute = {"id": "d", "topic": "x", "material": True, "stances": stances, "resolution": None, "resolved_for": []}
    disputes = [dispute | {"basis": "cannot_tell"}] * 99
    told = wire(notes="K7T " * 9_000, unique=[point] * 99, contradictions=disputes, blind_spots=["y"] * 99)
    verdict = read(told | {"confidence": 400}).verdict
    assert verdict.notes.count("Answer A") == 2_000
    assert [len(verdict.unique), len(verdict.contradictions), len(verdict.blind_spots)] == [40, 40, 40]
    assert (len(verdict.unique[0].id), len(verdict.contradictions[0].stances)) == (40, 40)
    assert verdict.confidence == 100
    assert read(wire(confidence=-3)).verdict.confidence == 0


def test_a_verdict_that_contradicts_itself_says_how() -> None:
    assert read(wire()).inconsistent == ()
    not_first = read(wire(ranking=[["Q2M"], ["K7T"], ["9XD"]]))
    assert not_first.inconsistent == ("Answer A is named the winner but not ranked first.",)
    outscored = read(wire(winner="Q2M", ranking=[["Q2M"], ["K7T"], ["9XD"]]))
    assert outscored.inconsistent == ("Answer B is named the winner but Answer A scored higher.",)
    flawed = [assessment("K7T", 5, fatal_flaw="made up"), assessment("Q2M", 3), assessment("9XD", 1)]
    assert read(wire(assessments=flawed)).inconsistent == ("Answer A is named the winner but has a fatal flaw.",)


def problems(*quotes: str) -> list[dict[str, Any]]:
    listed = [{"quote": quote, "issue": "x", "severity": "minor"} for quote in quotes]
    return [assessment("K7T", 5, problems=listed), assessment("Q2M", 3), assessment("9XD", 1)]


def test_a_quote_must_occur_in_the_answer_that_it_is_about() -> None:
    reading = read(wire(assessments=problems("lies on the Seine", "Lyon is larger", "")))
    assert [problem.quote for problem in reading.verdict.assessments[0].problems] == ["lies on the Seine", "", ""]
    assert reading.quote_misses == 1
    assert reading.inconsistent == ()


def test_a_judge_that_invents_a_third_of_its_quotes_is_not_believed() -> None:
    reading = read(wire(assessments=problems("Paris is the capital", "the Moon is cheese", "never been said")))
    assert reading.quote_misses == 2
    assert reading.inconsistent == ("2 of 3 quotes do not occur in the answers.",)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("paris is the CAPITAL of\nFrance", True),
        ("“It lies on the Seine”", True),
        ("Paris is the capital … for centuries.", True),
        ("It lies on the Seine and has had this role for centuries", True),
        ("the capital of France. [… 1,840 tokens omitted …] for centuries", True),
        ("the capital of Spain. [… 1,840 tokens omitted …] for centuries", False),
        ("It lies on the Rhine and was never a capital", False),
        ("…", False),
    ],
)
def test_quotes_are_found_despite_spacing_case_and_small_slips(quote: str, found: bool) -> None:
    assert bool(Quotes(TEXTS).verified(quote, ["A"])) is found


def test_an_accusation_without_a_real_quote_is_dropped() -> None:
    notes = [{"label": "Q2M", "quote": "choose me"}, {"label": "9XD", "quote": "France has no capital"}]
    assert read(wire(integrity=notes)).verdict.integrity == (IntegrityNote("C", "France has no capital"),)


# --- deciding ------------------------------------------------------------------------------------


def decided(anchor: str = "C", **changes: Any) -> tuple[str | None, str]:
    reading = read(wire(**changes))
    decision = decide(reading.verdict, inconsistent=reading.inconsistent, anchor=anchor, texts=TEXTS)
    return decision.chosen, decision.standing


TIE: dict[str, Any] = {"verdict": "tie", "winner": None, "margin": "none", "ranking": [["K7T", "Q2M"], ["9XD"]]}


@pytest.mark.parametrize(
    ("anchor", "changes", "expected"),
    [
        ("C", {}, ("A", "clear")),
        ("C", {"margin": "slight"}, ("A", "close")),
        ("C", {"ranking": [["K7T", "Q2M"], ["9XD"]]}, ("A", "close")),
        ("B", TIE, ("B", "could_not_separate")),
        ("C", TIE, ("A", "could_not_separate")),
        ("B", TIE | {"ranking": [["K7T"], ["Q2M"], ["9XD"]]}, ("B", "could_not_separate")),
        ("A", {"winner": "Q2M", "ranking": [["Q2M"], ["K7T"]]}, ("A", "could_not_separate")),
        ("C", {"winner": "Q2M", "ranking": [["Q2M"], ["K7T"]]}, ("B", "could_not_separate")),
        ("A", {"verdict": "none_acceptable", "winner": None}, (None, "none_acceptable")),
        ("A", {"verdict": "cannot_judge", "winner": None}, (None, "cannot_judge")),
    ],
)
def test_what_is_chosen_and_how_it_is_labelled(
    anchor: str, changes: dict[str, Any], expected: tuple[str | None, str]
) -> None:
    assert decided(anchor, **changes) == expected


def test_an_anchor_with_a_fatal_flaw_does_not_win_a_tie() -> None:
    flawed = [assessment("K7T", 5), assessment("Q2M", 5, fatal_flaw="made up"), assessment("9XD", 1)]
    assert decided("B", assessments=flawed, **TIE) == ("A", "could_not_separate")
    all_flawed = [assessment(label, 1, fatal_flaw="x") for label in LABELS.values()]
    assert decided("B", assessments=all_flawed, **TIE) == (None, "none_acceptable")


@pytest.mark.parametrize(("first", "second", "chosen"), [(5, 4, "A"), (4, 5, "B")])
def test_a_tie_without_the_anchor_goes_to_the_better_score(first: int, second: int, chosen: str) -> None:
    scored = [assessment("K7T", first), assessment("Q2M", second), assessment("9XD", 1)]
    assert decided(assessments=scored, **TIE) == (chosen, "could_not_separate")


def test_a_tie_with_equal_scores_goes_to_the_answer_that_is_most_like_the_others() -> None:
    even = [assessment("K7T", 4), assessment("Q2M", 4), assessment("9XD", 1)]
    verdict = read(wire(assessments=even, **TIE)).verdict
    for number in range(6):
        texts = {"A": f"zzz {number}", "B": f"It is Paris, I think, {number}.", "C": "It is Paris, I believe."}
        assert decide(verdict, inconsistent=(), anchor="C", texts=texts).chosen == "B"


def test_a_tie_that_nothing_else_breaks_is_broken_by_the_text_not_by_the_letter() -> None:
    even = [assessment("K7T", 4), assessment("Q2M", 4), assessment("9XD", 1)]
    verdict = read(wire(assessments=even, **TIE)).verdict
    one = {"A": "It is Paris.", "B": "It is Lyon..", "C": ""}
    other = one | {"A": one["B"], "B": one["A"]}
    chosen = [decide(verdict, inconsistent=(), anchor="C", texts=texts).chosen or "" for texts in (one, other)]
    assert one[chosen[0]] == other[chosen[1]]


# --- the schema ----------------------------------------------------------------------------------


def every_object(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in every_object(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.values() for found in every_object(value)]
    return [schema, *inner] if schema.get("type") == "object" else inner


def test_the_schema_keeps_to_what_every_provider_knows() -> None:
    schema = verdict_schema(list(LABELS.values()), CRITERIA)
    assert set(schema["properties"]) == set(wire())
    for item in every_object(schema):
        assert item["required"] == list(item["properties"])
        assert item["additionalProperties"] is False
    text = json.dumps(schema)
    assert not any(word in text for word in ("minimum", "maximum", "minItems", "maxLength", "$ref", "pattern"))


def test_the_schema_enumerates_labels_and_criteria_of_the_call() -> None:
    item = verdict_schema(["K7T", "Q2M"], CRITERIA)["properties"]["assessments"]["items"]
    assert item["properties"]["label"]["enum"] == ["K7T", "Q2M"]
    assert item["properties"]["scores"]["items"]["properties"]["criterion"]["enum"] == CRITERIA


# --- showing it while it grows -------------------------------------------------------------------

RICH = json.dumps(
    wire(
        notes='A "good" answer \u00e9 \U0001f600 names \\ K7T.',
        assessments=[
            assessment(
                "K7T",
                5,
                strengths=["Names it, unlike Q2M.", "Short."],
                problems=[{"quote": "the Seine", "issue": "beside the point", "severity": "minor"}],
            ),
            assessment("Q2M", 3, fatal_flaw="hedges"),
            assessment("9XD", 1),
        ],
    )
)


def test_a_partial_verdict_only_ever_grows() -> None:
    seen = PartialVerdict()
    for end in (*range(500), *range(500, len(RICH), 3), len(RICH)):  # escapes and labels stand in the first part
        now = partial_verdict(RICH[:end], LABELS)
        assert now.notes.startswith(seen.notes)
        assert len(now.assessments) >= len(seen.assessments)
        for old, new in zip(seen.assessments, now.assessments, strict=False):
            assert old.letter == new.letter
            assert len(new.strengths) >= len(old.strengths) and dict(old.scores).items() <= dict(new.scores).items()
        seen = now
    first = seen.assessments[0]
    assert [item.letter for item in seen.assessments] == ["A", "B", "C"]
    assert first.strengths == ("Names it, unlike Answer B.", "Short.")
    assert first.problems == (Problem("the Seine", "beside the point", "minor"),)
    assert seen.assessments[1].fatal_flaw == "hedges"
    assert first.scores == dict.fromkeys(CRITERIA, 5)


def test_a_partial_verdict_shows_neither_json_nor_labels_at_any_moment() -> None:
    raw = json.dumps(wire(notes="K7T beats Q2M", assessments=[assessment("K7T", 5, strengths=["as Q2M and 9XD say"])]))
    for end in range(len(raw) + 1):
        shown = partial_verdict(raw[:end], LABELS)
        texts = [shown.notes, *(text for item in shown.assessments for text in item.strengths)]
        for text in texts:
            assert not set(text) & set('{}[]"')
            assert not any(word in text for word in ("K7", "Q2", "9X"))


@pytest.mark.parametrize(
    "before", ["```json\n", "Sure, here is {my} verdict:\n", '<think>{"notes": "secret"}</think>\n', "\ufeff"]
)
def test_a_partial_verdict_is_found_behind_what_stands_before_it(before: str) -> None:
    assert partial_verdict(before + RICH[:60], LABELS).notes.startswith('A "good" answer')


def test_nothing_is_shown_while_the_judge_deliberates() -> None:
    assert partial_verdict('<think>{"notes": "secret"', LABELS) == PartialVerdict()


def test_a_nearly_json_reply_is_shown_too() -> None:
    assert partial_verdict("{'notes': 'It is K7T, beca", LABELS).notes == "It is Answer A, beca"


# --- storing it ----------------------------------------------------------------------------------


def test_a_judgement_survives_storing() -> None:
    judgement = Judgement(
        verdict=read(wire()).verdict,
        judge="c:m",
        attempt=2,
        order=("B", "A", "C"),
        labels=LABELS,
        parse_path="coerced",
        chosen="A",
        standing="close",
        inconsistent=("x",),
        quote_misses=2,
        suspects=("C",),
        trims=(Trim("A", 1_840),),
        raw="{}",
    )
    for one in (judgement, replace(judgement, chosen=None, trims=())):
        assert judgement_from_dict(json.loads(json.dumps(judgement_to_dict(one)))) == one


@pytest.mark.parametrize("said", ["\u212a7S", "k7\u017f"], ids=["Kelvin sign", "long s"])
def test_a_letter_that_only_folds_into_a_labels_is_none_of_it(said: str) -> None:
    assert Names({"A": "K7S"}).prose(f"{said}, K7S and k7s") == f"{said}, Answer A and Answer A"
