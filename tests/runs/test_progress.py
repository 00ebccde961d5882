"""What a terminal shows of a run, and what is said beside its final."""

from __future__ import annotations

from datetime import UTC, datetime
from unicodedata import combining, east_asian_width

import pytest

from fusion.engine import events as ev
from fusion.engine.types import AnswerState, Failure, Final, FinalKind, Mode, RunState
from fusion.live.folding import apply
from fusion.live.record import AnswerRecord, EndpointFacts, RunRecord
from fusion.management.commands.fuse import _remarks
from fusion.runs.progress import progress_lines

WHY = "The key for OpenAI was refused (401): check OPENAI_API_KEY. It said: “Incorrect API key provided”"


def record_of(*names: str) -> RunRecord:
    """A run with one member for each name, none asked yet."""
    facts = {f"x:{name}": EndpointFacts(f"x:{name}", name, name, "Acme") for name in names}
    answers = {letter: AnswerRecord(letter, facts[f"x:{name}"]) for letter, name in zip("ABC", names, strict=False)}
    return RunRecord(
        public_id="11111111-2222-3333-4444-555555555555",
        prompt="Why?",
        mode=Mode.MERGE,
        pool_name="Deep review",
        pool_public_id="pool-1",
        pool_version=1,
        rubric="general",
        author="Alice",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        endpoints=facts,
        answers=answers,
    )


def finished() -> RunRecord:
    record = record_of("one", "two")
    record.answers["B"].state, record.answers["B"].failure = AnswerState.FAILED, Failure("provider_auth_failed", WHY)
    apply(record, ev.FinalEnded(Final(FinalKind.SINGLE, "Because.", "A")), at_ms=1500)
    apply(record, ev.RunEnded(RunState.DONE), at_ms=2500)
    return record


def columns(line: str) -> int:
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in line)


def test_the_end_says_what_the_final_is_and_how_long_it_took() -> None:
    lines = progress_lines(finished(), width=80)
    assert lines[0] == "Deep review · merge"
    assert lines[-1] == "✓ Final: answer A, the only one · 2.5 s in all"


@pytest.mark.parametrize("said", ["密钥被拒绝：请检查设置。", "e\u0301\u0301", "密e\u0301"])
def test_no_line_is_wider_than_the_terminal_in_whatever_script(said: str) -> None:
    record = finished()
    record.answers["A"].failure = Failure("x", said * 80)
    lines = progress_lines(record, width=80)
    assert all(columns(line) <= 79 for line in lines)
    assert lines[1].endswith("…") and columns(lines[1]) >= 78


def test_why_a_member_failed_is_told_whole_beside_the_final() -> None:
    record = finished()
    assert "Incorrect" not in progress_lines(record, width=80)[2]
    assert f"Note: B (two): {WHY}" in list(_remarks(record, as_json=False))
    assert list(_remarks(record, as_json=True)) == []


def test_a_stopped_run_says_where_what_had_come_is_kept() -> None:
    record = record_of("one", "two")
    apply(record, ev.RunEnded(RunState.CANCELLED), at_ms=1500)
    assert progress_lines(record, width=80)[-1] == "■ No final: cancelled"
    assert list(_remarks(record, as_json=False)) == [
        "Stopped before there was a final. What had come is kept as run 11111111-2222-3333-4444-555555555555."
    ]
