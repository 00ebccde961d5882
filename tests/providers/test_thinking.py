from __future__ import annotations

import pytest

from fusion.engine.types import ReasoningDelta, TextDelta
from fusion.providers.thinking import SurrogateJoiner, ThinkSplitter


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = ThinkSplitter()
    found = [part for piece in pieces for part in splitter.feed(piece)] + splitter.finish()
    assert all(part.text for part in found)
    hidden = "".join(part.text for part in found if isinstance(part, ReasoningDelta))
    return hidden, "".join(part.text for part in found if isinstance(part, TextDelta))


@pytest.mark.parametrize(
    ("stream", "hidden", "visible"),
    [
        ("<think>Let me see.</think>\n\nParis.", "Let me see.", "Paris."),
        ("\n<think>\nA < b </thin </think>x", "\nA < b </thin ", "x"),
        ("Use <think> tags: <think>x</think>", "", "Use <think> tags: <think>x</think>"),
        ("  indented <b>", "", "  indented <b>"),
        ("<thinker>", "", "<thinker>"),
        ("<thi", "", "<thi"),
        ("<think>never closed </thi", "never closed </thi", ""),
        ("<think></think>\n", "", ""),
        ("   ", "", "   "),
    ],
)
def test_a_thinking_block_at_the_start_is_hidden_wherever_it_is_cut(stream: str, hidden: str, visible: str) -> None:
    assert split([stream]) == (hidden, visible)
    assert split(list(stream)) == (hidden, visible)
    for cut in range(len(stream)):
        assert split([stream[:cut], stream[cut:]]) == (hidden, visible)


def test_text_that_cannot_open_a_block_is_not_held_back() -> None:
    assert ThinkSplitter().feed("P") == [TextDelta("P")]


def test_the_halves_of_an_emoji_are_joined() -> None:
    joiner = SurrogateJoiner()
    assert joiner.feed("a\ud83d") + joiner.feed("\ude42b") + joiner.finish() == "a🙂b"


def test_a_half_that_stays_alone_can_still_be_encoded() -> None:
    joiner = SurrogateJoiner()
    text = joiner.feed("a\ud83d") + joiner.feed("b \ude42") + joiner.feed("\ud83d") + joiner.finish()
    assert text.encode() and text.replace("\ufffd", "") == "ab "


def test_white_space_is_not_held_back_for_ever() -> None:
    splitter = ThinkSplitter()
    found = [part for _ in range(2000) for part in splitter.feed(" ")]
    assert len(found) > 900 and len("".join(part.text for part in found)) == 2000
