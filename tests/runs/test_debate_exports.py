"""A debate on the terminal and in exports: who moved and why, how it ended, and nothing that could pass for ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from markdown_it import MarkdownIt

from fusion.engine import events as ev
from fusion.engine.disputes import StopReason
from fusion.engine.types import Mode
from fusion.live.folding import apply
from fusion.live.record import RunRecord
from fusion.runs.exports import record_to_json, record_to_markdown
from fusion.runs.progress import progress_lines
from tests.web.run_events import LABELS, debate_run, new_record, ruling, whole_run, without_dispute


def played(events: Iterable[ev.Event], *, until: type[ev.Event] | None = None) -> RunRecord:
    record = new_record(mode=Mode.DEBATE)
    for event in events:
        apply(record, event, at_ms=record.now_ms + 10)
        if until is not None and isinstance(event, until):
            break
    return record


def test_the_json_holds_disputes_rounds_stop_and_ruling() -> None:
    debate = json.loads(json.dumps(record_to_json(played(debate_run(rounds=1, failing="B")))))["debate"]
    assert list(debate) == ["disputes", "rounds", "stop", "ruling"]
    assert [one["topic"] for one in debate["disputes"]] == ["How much more", "Which effect"]
    assert debate["disputes"][0]["stances"][1]["letters"] == ["C"]
    (ended,) = debate["rounds"]
    assert [(one["letter"], one["state"], len(one["moves"])) for one in ended["positions"]] == [
        ("A", "read", 2),
        ("B", "unread", 0),
        ("C", "read", 1),
    ]
    assert ended["positions"][1]["error"]["message"] == "B gave no reply that can be read."
    assert ended["positions"][0]["moves"][1] | {"soft": True, "action": "concede"} == ended["positions"][0]["moves"][1]
    assert ended["disputes"][0]["stances"][1] | {"letters": [], "alive": False} == ended["disputes"][0]["stances"][1]
    assert debate["stop"] == "stable"
    assert debate["ruling"]["rulings"][1]["stance"] is None and debate["ruling"]["base"] == "B"
    assert not any(label in json.dumps(debate) for label in LABELS.values())


def test_the_json_says_of_a_rebuttal_which_round_it_was() -> None:
    calls = record_to_json(played(debate_run(rounds=2)))["calls"]
    assert [(call["letter"], call["round"]) for call in calls if call["role"] == "rebuttal"] == [
        (letter, number) for number in (1, 2) for letter in "ABC"
    ]
    assert all(call["round"] is None for call in calls if call["role"] != "rebuttal")


def test_a_round_under_way_is_exported_as_such() -> None:
    debate = record_to_json(played(debate_run(), until=ev.PositionEnded))["debate"]
    assert [one["state"] for one in debate["rounds"][0]["positions"]] == ["running", "running", "read"]
    assert (debate["rounds"][0]["agreement"], debate["stop"], debate["ruling"]) == (None, None, None)


def test_no_debate_is_null_and_one_without_a_dispute_says_so() -> None:
    assert record_to_json(played(whole_run()))["debate"] is None
    assert "## Debate" not in record_to_markdown(played(whole_run()))
    assert record_to_json(played(without_dispute()))["debate"]["stop"] == "no_dispute"
    assert "There was no debate:" in record_to_markdown(played(without_dispute()))


def test_the_report_tells_who_moved_and_why() -> None:
    report = record_to_markdown(played(debate_run(rounds=1)))
    for line in (
        "The debate ended because nobody changed anything in the last round.",
        "- **Dispute 1:** How much more",
        "    - **S2** (given up): fourth power",
        "    - **S1** (given up without a reason, so it stays on the table): It is Rayleigh scattering",
        "C changed its mind, A gave in without a reason. Dispute 1: 2 of 2 hold S1. Dispute 2: 2 of 2 hold S2.",
        "    - **Dispute 2, gave in: S1 → S2** (without a reason): absorption then",
        "    - **Dispute 1, changed its mind: S2 → S1**: more",
        "        - **Names an error:** The exponent is wrong “lambda \\*\\* -4”",
        "        - **Would change its mind:** A measurement",
        "Ruled by Judge, built on B. B is closest to what was measured.",
        "- **Dispute 1: S1 holds, checked.** The measurement says so.",
        "- **Dispute 2: open.** Neither case is made.",
        "    - **What would settle it:** Measure the spectrum.",
        "Source: ruled on after a debate, built on B. Written by Writer.",
        "| rebuttal, round 1 | A |",
    ):
        assert line in report, line


def test_nothing_that_debaters_write_can_pass_for_the_report() -> None:
    evil = "x\n\n# Heading\n<script>alert(1)</script> [a](javascript:b) | `c`"
    events = [_with_words(event, evil) for event in debate_run(rounds=1)]
    tokens = MarkdownIt().parse(record_to_markdown(played(events)))
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert "Heading" not in headings
    inline = [child.type for token in tokens for child in token.children or ()]
    assert "html_inline" not in inline and "link_open" not in inline


def _with_words(event: ev.Event, words: str) -> ev.Event:
    """The same event with hostile words wherever a model may write."""
    if isinstance(event, ev.PositionEnded) and event.position is not None:
        moves = tuple(
            replace(move, text=words, reason=words, evidence_quote=words, would_change_my_mind=words)
            for move in event.position.moves
        )
        return replace(event, position=replace(event.position, moves=moves))
    if isinstance(event, ev.DebateEnded):
        stances = [tuple(replace(stance, text=words) for stance in one.stances) for one in event.disputes]
        disputes = tuple(
            replace(one, topic=words, stances=own) for one, own in zip(event.disputes, stances, strict=True)
        )
        return replace(event, disputes=disputes)
    if isinstance(event, ev.RulingEnded):
        found = ruling()
        return ev.RulingEnded(
            replace(found, rationale=words, rulings=tuple(replace(one, reason=words) for one in found.rulings))
        )
    return event


def test_the_terminal_shows_each_round_and_why_it_is_over() -> None:
    running = progress_lines(played(debate_run(rounds=2), until=ev.PositionEnded), width=200)
    assert "▸ Round 1 of 2: 1 of 3 have replied" in running
    ruled = progress_lines(played(debate_run(rounds=1), until=ev.RulingEnded), width=200)
    assert any(line.startswith("✓ Round 1: C changed its mind, A gave in without a reason.") for line in ruled)
    assert "✓ The debate ended because nobody changed anything in the last round." in ruled
    assert ruled[-1] == "✓ Ruling by Judge"
    asked = played(debate_run(rounds=1), until=ev.JudgeFailed)
    assert progress_lines(asked, width=200)[-1].startswith("▸ Judge is ruling on the debate")
    none = progress_lines(played(without_dispute(), until=ev.DebateEnded), width=200)
    assert "✓ There was no debate: the answers contradict each other in nothing that matters." in none
    assert none[0].endswith(" · debate")
    assert StopReason.NO_DISPUTE is played(without_dispute(), until=ev.DebateEnded).debate.reason
