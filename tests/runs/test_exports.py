"""A run as JSON and Markdown: exact money, letters instead of labels, and output that cannot pose as the report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fusion.engine import events as ev
from fusion.engine.types import (
    Answer,
    AnswerState,
    Assessment,
    Contradiction,
    Failure,
    Final,
    FinalKind,
    FinishReason,
    IntegrityNote,
    Judgement,
    Mode,
    Point,
    Problem,
    Recheck,
    Role,
    RunState,
    Span,
    Stance,
    Usage,
    Verdict,
)
from fusion.engine.verdict import read_winner
from fusion.live.folding import apply
from fusion.live.record import AnswerRecord, EndpointFacts, RunRecord
from fusion.runs.costs import Cost, answer_cost_nanos, exact_usd, run_cost, run_cost_nanos, short_usd, usd
from fusion.runs.exports import answer_bytes, final_bytes, record_to_document, record_to_json, record_to_markdown
from fusion.runs.report import fenced, inline

COST_SHAPE = ["cost_usd", "cost_at_least_usd", "calls_without_cost"]
SHAPE = ["run", "state", "mode", "pool", "final", "verdict", "debate", "answers", "calls", *COST_SHAPE]
SHAPE += ["degraded", "timing", "simulated"]
ANSWER_SHAPE = ["letter", "model", "state", "images", "text", "finish", "usage", "cost_usd"]
ANSWER_SHAPE += ["ttft_ms", "total_ms", "error"]


def _record() -> RunRecord:
    """Two members that have not been asked yet."""
    facts = {
        ref: EndpointFacts(ref, ref.partition(":")[2], ref.upper(), "Acme") for ref in ("x:one", "x:two", "x:judge")
    }
    answers = {letter: AnswerRecord(letter, facts[ref]) for letter, ref in (("A", "x:one"), ("B", "x:two"))}
    return RunRecord(
        public_id="11111111-2222-3333-4444-555555555555",
        prompt="Why is the sky blue?",
        mode=Mode.BEST_OF,
        pool_name="Deep review",
        pool_public_id="pool-1",
        pool_version=3,
        rubric="general",
        author="Alice",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        endpoints=facts,
        answers=answers,
    )


def _call(record: RunRecord, call_id: str, role: Role, letter: str | None, cost: int | None, **changes: object) -> None:
    ref = "x:judge" if letter is None else record.answers[letter].endpoint.ref
    apply(record, ev.CallStarted(call_id, role, ref, 1, letter), at_ms=1)
    values: dict[str, object] = {"status": "ok", "usage": Usage(10, 20), "ttft_ms": 5, "total_ms": 900}
    values |= {"cost_nanos": cost} | changes
    apply(record, ev.CallEnded(call_id, role, ref, 1, letter, **values), at_ms=900)  # type: ignore[arg-type]


def _answered(record: RunRecord, letter: str, text: str) -> None:
    apply(record, ev.AnswerAsked(letter), at_ms=0)
    answer = Answer(letter, AnswerState.DONE, text, usage=Usage(10, 20), ttft_ms=5, total_ms=900)
    apply(record, ev.AnswerEnded(answer), at_ms=900)


def _judged(record: RunRecord, *, words: str = "B is right") -> None:
    assessment = Assessment("B", ("clear",), (Problem("q", words, "minor"),), None, {"correctness": 5}, 92.0)
    verdict = Verdict(
        notes=words,
        assessments=(assessment,),
        consensus=(Point("p1", words, ("A", "B"), "quote", "supported"),),
        partial_coverage=(),
        unique=(),
        contradictions=(Contradiction("d1", words, True, (Stance(("A",), words, ""),), words, ("B",), "checked"),),
        blind_spots=(words,),
        ranking=(("B",), ("A",)),
        verdict="winner",
        winner="B",
        margin="clear",
        confidence=80,
        rationale=words,
        integrity=(IntegrityNote("A", words),),
    )
    judgement = Judgement(
        verdict=verdict,
        judge="x:judge",
        attempt=1,
        order=("B", "A"),
        labels={"A": "K7T", "B": "Q2M"},
        parse_path="clean",
        chosen="B",
        standing="clear",
        raw='{"label": "Q2M"}',
    )
    apply(record, ev.JudgeEnded(judgement), at_ms=1500)


def _whole(text: str = "Rayleigh scattering.") -> RunRecord:
    record = _record()
    for letter, cost in (("A", 1), ("B", 1_234_567_890)):
        _call(record, f"c{letter}", Role.PANEL, letter, cost)
        _answered(record, letter, text)
    _call(record, "j1", Role.JUDGE, None, 9)
    _judged(record)
    apply(record, ev.FinalEnded(Final(FinalKind.VERBATIM, text, "B", (Span(0, 8, "base", ("B",)),))), at_ms=1500)
    apply(record, ev.RunEnded(RunState.DONE), at_ms=1500)
    return record


def test_the_json_has_exactly_the_promised_keys_in_their_order() -> None:
    document = record_to_json(_whole())
    assert list(document) == SHAPE
    assert list(document["final"]) == ["text", "source", "spans"]
    assert list(document["answers"][0]) == ANSWER_SHAPE
    assert json.loads(json.dumps(document))["run"] == document["run"]


def test_the_json_says_what_happened() -> None:
    document = record_to_json(_whole())
    assert (document["state"], document["mode"], document["pool"]) == ("done", "best-of", "Deep review")
    assert document["final"]["source"] == {"kind": "verbatim", "letter": "B", "writer": None, "truncated": False}
    assert document["final"]["spans"][0]["letters"] == ("B",)
    assert document["verdict"]["winner"] == "B"
    assert [answer["finish"] for answer in document["answers"]] == ["stop", "stop"]
    assert [call["role"] for call in document["calls"]] == ["panel", "panel", "judge"]


def test_the_labels_that_the_judge_saw_never_leave() -> None:
    assert "Q2M" not in json.dumps(record_to_document(_whole()))
    assert "Q2M" not in record_to_markdown(_whole())


def test_a_run_without_a_final_or_verdict_has_nulls_and_not_made_up_values() -> None:
    document = record_to_json(_record())
    assert document["final"] is None and document["verdict"] is None
    assert document["answers"][0]["cost_usd"] is None
    assert document["answers"][0]["finish"] is None
    assert document["state"] == "queued"


def test_money_is_written_exactly() -> None:
    assert usd(1) == "0.000000001"
    assert usd(1_234_567_890_123) == "1234.567890123"
    assert usd(0) == "0.000000000"
    assert usd(None) is None


def test_costs_add_up_to_the_last_nano() -> None:
    record = _whole()
    assert answer_cost_nanos(record, "B") == 1_234_567_890
    assert run_cost_nanos(record) == 1_234_567_900


def test_one_unknown_price_makes_the_sum_unknown_instead_of_too_small() -> None:
    record = _whole()
    _call(record, "w1", Role.WRITER, None, None)
    assert run_cost_nanos(record) is None
    assert answer_cost_nanos(record, "B") == 1_234_567_890


def test_a_call_that_was_turned_away_does_not_hide_the_cost_of_its_retry() -> None:
    record = _record()
    failure = Failure("provider_rate_limited", "429")
    _call(record, "c1", Role.PANEL, "A", None, status="failed", usage=None, ttft_ms=None, failure=failure)
    assert answer_cost_nanos(record, "A") is None
    _call(record, "c2", Role.PANEL, "A", 7)
    assert answer_cost_nanos(record, "A") == 7


def test_a_run_tells_its_whole_cost_or_what_it_cost_at_least() -> None:
    record = _whole()
    document = record_to_json(record)
    assert [document[name] for name in COST_SHAPE] == ["1.234567900", "1.234567900", 0]
    assert run_cost(record).words == "$1.23" and run_cost(record).exact_words == "$1.2345679"
    _call(record, "w1", Role.WRITER, None, None)
    document = record_to_json(record)
    assert [document[name] for name in COST_SHAPE] == [None, "1.234567900", 1]
    assert run_cost(record).words == "at least $1.23"
    assert "Total: at least $1.2345679 (1 call with no known price)." in record_to_markdown(record)


def test_unknown_is_not_zero_and_nothing_called_is_neither() -> None:
    assert (Cost().words, Cost(0, 1, 0).words, Cost(0, 0, 2).words, Cost(0, 1, 1).words) == (
        *("", "$0", "$?", "at least $0"),
    )


def test_where_a_cost_comes_from_is_told() -> None:
    record = _record()
    _call(record, "c1", Role.PANEL, "A", 5, usage=Usage(10, 20, cost_nanos=5))
    _call(record, "c2", Role.PANEL, "B", 7)
    assert [call["cost_source"] for call in record_to_json(record)["calls"]] == ["upstream", "price"]
    report = record_to_markdown(record)
    assert "$0.000000005 reported" in report and "$0.000000007 computed" in report


@pytest.mark.parametrize(
    ("nanos", "short", "exact"),
    [
        (None, "$?", "$?"),
        (0, "$0", "$0"),
        (1, "$0.000000001", "$0.000000001"),
        (40, "$0.000000040", "$0.00000004"),
        (149_999, "$0.00015", "$0.000149999"),
        (12_345_678, "$0.0123", "$0.012345678"),
        (123_456_789, "$0.1235", "$0.123456789"),
        (999_999_999, "$1.0000", "$0.999999999"),
        (1_005_000_000, "$1.01", "$1.005"),
        (10_000_000_000, "$10.00", "$10.00"),
        (9_007_199_254_740_993_000_000_001, "$9007199254740993.00", "$9007199254740993.000000001"),
        (-1_500_000_000, "-$1.50", "-$1.50"),
    ],
)
def test_dollars_are_written_without_floats(nanos: int | None, short: str, exact: str) -> None:
    assert (short_usd(nanos), exact_usd(nanos)) == (short, exact)


@given(st.integers(1, 10**15))
def test_an_amount_that_is_not_zero_never_reads_as_zero(nanos: int) -> None:
    assert float(short_usd(nanos)[1:]) == pytest.approx(nanos / 1e9, rel=0.05)
    assert usd(nanos) is not None and float(exact_usd(nanos)[1:]) == float(usd(nanos) or 0)


def test_a_call_under_way_is_listed_as_running() -> None:
    record = _record()
    apply(record, ev.CallStarted("c1", Role.PANEL, "x:one", 1, "A"), at_ms=1)
    assert record_to_json(record)["calls"] == [
        {"role": "panel", "letter": "A", "model": "x:one", "attempt": 1, "round": None, "status": "running"}
    ]
    assert "running" in record_to_markdown(record)


def test_single_texts_come_out_byte_for_byte() -> None:
    text = "a\r\n\tb\u00a0ü\u2028 \n\n"
    record = _whole(text)
    assert answer_bytes(record, "A") == text.encode()
    assert final_bytes(record) == text.encode()
    assert answer_bytes(record, "Z") is None
    assert final_bytes(_record()) is None


HOSTILE = [
    "## Final\n\nI am the final",
    "```\n## Final\n```\n# Verdict",
    "````````\n# Run 2\n",
    "</pre></code><h1>Final</h1><script>alert(1)</script>",
    "~~~\n# Final\n~~~",
    "text\n===\n",
    "x\r```\r# Final",
    "| a | b |\n|---|---|\n<!-- ",
    "[x]: javascript:alert(1)\n![](http://evil.example/p.png)",
    "\x1b[2J\x00",
]


def _headings(markdown: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [inner.content for token, inner in pairwise(tokens) if token.type == "heading_open"]


def _kinds(markdown: str) -> set[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return {part.type for token in tokens for part in [token, *(token.children or [])]}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_can_add_a_heading_html_link_or_picture_to_the_report(text: str) -> None:
    plain, hostile = _whole(), _whole(text)
    hostile.prompt = text
    assert _headings(record_to_markdown(hostile)) == _headings(record_to_markdown(plain))
    assert not _kinds(record_to_markdown(hostile)) & {"html_block", "html_inline", "link_open", "image"}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_phrase_of_a_judge_name_or_error_can_either(text: str) -> None:
    record = _whole()
    _judged(record, words=text)
    record.pool_name = record.author = text
    record.failure = Failure("x", text)
    record.answers["A"].endpoint = EndpointFacts("x:one", text, "plain", text)
    record.degraded.append(ev.Degraded("note", text))
    report = record_to_markdown(record)
    assert len(_headings(report)) == len(_headings(record_to_markdown(_whole())))
    assert not _kinds(report) & {"html_block", "html_inline", "link_open", "image"}


@given(st.text(alphabet="`~#\n\r ab<>|", max_size=60))
def test_a_fence_holds_whatever_stands_in_it(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{fenced(text)}\n\n# After")
    assert [token.type for token in tokens[:2]] == ["fence", "heading_open"]


@given(st.text(max_size=40))
def test_an_escaped_phrase_is_one_paragraph_of_words(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"- **Label:** {inline(text)}")
    kinds = {part.type for token in tokens for part in token.children or []}
    assert kinds <= {"text", "strong_open", "strong_close", "softbreak", "text_special"}
    assert sum(token.type == "paragraph_open" for token in tokens) == 1


def test_the_report_names_the_source_the_members_and_the_receipt() -> None:
    report = record_to_markdown(_whole())
    assert "Source: verbatim from B." in report
    assert "### A: X:ONE (Acme)" in report
    assert "Total: $1.2345679." in report
    assert "Why is the sky blue?" in report


def test_the_report_says_when_there_is_no_final_and_no_price() -> None:
    record = _record()
    _call(record, "c1", Role.PANEL, "A", None)
    report = record_to_markdown(record)
    assert "This run has no final." in report
    assert "| $? |" in report and "Total: $? (1 call with no known price)." in report


def test_the_document_for_the_web_adds_the_prompt() -> None:
    document = record_to_document(_whole())
    assert document["prompt"] == "Why is the sky blue?"
    assert document["pool_version"] == 3


def test_a_choice_without_analysis_and_one_that_was_judged_again_are_called_that() -> None:
    record = _whole()
    judged = record.judge.judgement
    assert judged is not None
    winner = read_winner("K7T", finish=FinishReason.STOP, labels=judged.labels)
    assert winner is not None
    record.judge.judgement = replace(judged, verdict=winner, parse_path="winner_only", recheck=Recheck("A", "held"))
    verdict = record_to_json(record)["verdict"]
    assert (verdict["parse_path"], verdict["analysis_missing"], verdict["winner"]) == ("winner_only", True, "A")
    assert verdict["recheck"] == {"letter": "A", "result": "held"}
    report = record_to_markdown(record)
    assert "only the choice could be read" in report
    assert "judged again without that text and chosen again" in report
