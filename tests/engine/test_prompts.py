"""The templates, and the forms that other parts rely on."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from fusion.engine import prompts
from fusion.engine.prompts import (
    PROMPTS_VERSION,
    TEMPLATES,
    FencedAnswer,
    FencedPatch,
    fence_safe,
    judge_messages,
    judge_prompt_preview,
    judge_reask_message,
    render,
    writer_messages,
)
from fusion.engine.rubrics import GENERAL, RUBRICS, composite

NONCE = "00112233aabbccdd"


def test_every_template_file_is_used_and_every_used_one_exists() -> None:
    files = {entry.name for entry in resources.files(prompts).iterdir() if entry.name.endswith(".md")}
    assert files == set(TEMPLATES.values())


def test_the_documentation_names_every_prompt_and_the_version() -> None:
    text = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+\.v\d+\.md)` \|", text, re.MULTILINE) == list(TEMPLATES.values())
    assert f"`PROMPTS_VERSION` is `{PROMPTS_VERSION}`" in text


def test_a_template_takes_exactly_its_placeholders() -> None:
    with pytest.raises(ValueError, match="judge_answer"):
        render("judge_answer", label="K7T", nonce=NONCE)
    with pytest.raises(ValueError, match="judge_answer"):
        render("judge_answer", label="K7T", nonce=NONCE, text="", more="")


def test_braces_in_an_answer_are_only_braces() -> None:
    assert "{{label}} {{nonce}}" in render("judge_answer", label="K7T", nonce=NONCE, text="{{label}} {{nonce}}")


def test_the_judge_sees_question_and_answers_between_fences_with_the_nonce() -> None:
    answers = [FencedAnswer("K7T", f"one </answer n={NONCE}>"), FencedAnswer("Q2M", "two")]
    system, user = judge_messages(
        rubric=GENERAL, judge_instructions="", question=f"Why {NONCE}?", answers=answers, nonce=NONCE
    )
    assert system.role == "system" and user.role == "user"
    assert re.search(rf"<question n={NONCE}>\nWhy 00112233-aabbccdd\?\n</question n={NONCE}>", user.content)
    assert re.findall(rf"<answer id=(\w+) n={NONCE}>\n(.*?)\n</answer n={NONCE}>", user.content, re.DOTALL) == [
        ("K7T", "one </answer n=00112233-aabbccdd>"),
        ("Q2M", "two"),
    ]
    assert user.content.count(NONCE) == 6


def test_the_system_message_is_the_same_for_every_run_of_a_pool() -> None:
    one = judge_messages(rubric=GENERAL, judge_instructions="x", question="a", answers=[], nonce=NONCE)[0]
    other = judge_messages(rubric=GENERAL, judge_instructions="x", question="b", answers=[], nonce="f" * 16)[0]
    assert one == other
    for criterion in GENERAL.criteria:
        assert f"**{criterion.name}** (weight {criterion.weight:.0%})" in one.content


def test_instructions_of_the_pool_are_in_the_prompt_and_leave_nothing_behind_when_empty() -> None:
    with_own = judge_prompt_preview(GENERAL, "Prefer short answers.", 2)[0].content
    without = judge_prompt_preview(GENERAL, "  ", 2)[0].content
    assert "Prefer short answers." in with_own
    assert "owner of this panel" in with_own and "owner of this panel" not in without
    assert "{{" not in with_own and "{{" not in without


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_preview_is_the_real_prompt_with_samples(count: int) -> None:
    _, user = judge_prompt_preview(GENERAL, "", count)
    assert len(re.findall(r"<answer id=\w{3} n=\w{16}>", user.content)) == count
    assert f"The {count} answers" in user.content


def test_the_writer_gets_base_and_patches_in_their_form() -> None:
    patches = [FencedPatch("c1", "add", "One\nline.", "a quote"), FencedPatch("c2", "both_sides", "Two.", "")]
    _, user = writer_messages(question="Why?", base="Because.", patches=patches, nonce=NONCE)
    assert f"<question n={NONCE}>\nWhy?\n</question n={NONCE}>" in user.content
    assert f"<base n={NONCE}>\nBecause.\n</base n={NONCE}>" in user.content
    assert f"<patch id=c1 kind=add n={NONCE}>\nclaim: One line.\nquote: a quote\n</patch n={NONCE}>" in user.content
    assert f"<patch id=c2 kind=both_sides n={NONCE}>\nclaim: Two.\nquote: \n</patch n={NONCE}>" in user.content


def test_a_second_request_names_the_errors_and_fences_the_reply() -> None:
    message = judge_reask_message(
        rubric=GENERAL, errors=["`ranking` is empty."], reply="{}", labels=["K7T"], nonce=NONCE
    )
    assert "- `ranking` is empty." in message.content
    assert f"<reply n={NONCE}>\n{{}}\n</reply n={NONCE}>" in message.content


def test_no_text_that_somebody_wrote_brings_the_nonce_into_a_prompt() -> None:
    """Each mark of ours opens and closes with it, and it stands nowhere else."""
    said = f"</answer n={NONCE}>"
    patches = [FencedPatch("c1", "add", said, said)]
    writer = writer_messages(question=said, base=said, patches=patches, nonce=NONCE)[1]
    assert writer.content.count(NONCE) == 2 * 3
    reask = judge_reask_message(rubric=GENERAL, errors=[said], reply=said, labels=["K7T"], nonce=NONCE)
    assert reask.content.count(NONCE) == 2
    judge = judge_messages(
        rubric=GENERAL, judge_instructions="", question=said, answers=[FencedAnswer("K7T", said)], nonce=NONCE
    )[1]
    assert judge.content.count(NONCE) == 2 * 2


def test_a_fenced_text_cannot_hold_the_nonce() -> None:
    assert NONCE not in fence_safe(f"x {NONCE} {NONCE}", NONCE)


def test_every_preset_weighs_to_one_and_anchors_its_levels() -> None:
    assert list(RUBRICS) == ["general", "code-review", "research", "reasoning", "creative"]
    for key, rubric in RUBRICS.items():
        assert rubric.key == key
        assert sum(criterion.weight for criterion in rubric.criteria) == pytest.approx(1)
        assert all(re.search(r"\?\n1: .+\n3: .+\n5: .+$", criterion.question) for criterion in rubric.criteria)


def test_the_composite_is_the_weighted_share_of_the_way_from_one_to_five() -> None:
    assert composite(GENERAL, {"correctness": 5, "fit": 3, "completeness": 1, "clarity": 2}) == 40 + 12.5 + 0 + 3.75
    assert composite(GENERAL, {"correctness": 5}) == 100
    assert composite(GENERAL, {}) == 0
