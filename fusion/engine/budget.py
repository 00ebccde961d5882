"""How much of each answer fits into a judge's context, and what is cut, visibly, when not all of it does.

Tokens are estimated as characters / 3, which overestimates for most vocabularies, so that a fit on paper is a fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fusion.engine.clean import split_code
from fusion.engine.types import Trim

CHARS_PER_TOKEN = 3  # of mixed prose and code in current vocabularies; an estimate that rather counts too many
# Providers count by size and differ. Anthropic scales an image to about 1.15 megapixels and counts width x height / 750
# tokens, which is some 1,600 (its documentation, "Vision: evaluate image size"); OpenAI's tiles come to less for what
# we send (its documentation, "Images and vision: calculating costs"). Rather too many than too few.
IMAGE_TOKENS = 1_600
ASSUMED_CONTEXTS = (32_768, 131_072, 1_048_576)  # for a model that does not say; the smallest that gives fair shares
SAFETY_SHARE = 0.05
MIN_SHARE_TOKENS = 400  # less than this of an answer is too little to judge it by
HEAD_SHARE = 0.6
ECHO_MIN_CHARS = 200
MARK_TOKENS = 16  # more than the longest omission mark takes


@dataclass(frozen=True, slots=True)
class Fitted:
    """The texts as they will be shown, and what was left out of which."""

    texts: Mapping[str, str]
    trims: tuple[Trim, ...] = ()


def estimate_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def answer_budget(
    *, context_tokens: int, max_output_tokens: int, overhead_tokens: int, reasoning_reserve: int = 0
) -> int:
    """B = context - output - reserve - everything else in the prompt - 5 % of the context; never negative."""
    safety = math.ceil(context_tokens * SAFETY_SHARE)
    return max(0, context_tokens - max_output_tokens - reasoning_reserve - overhead_tokens - safety)


def assumed_context(*, overhead_tokens: int, max_output_tokens: int, answers: int) -> int:
    """The context to plan with when a model does not say: the smallest usual one that leaves every answer a fair share.

    Other models have read the same question already, so a long question means that large contexts are at hand.
    """
    for context in ASSUMED_CONTEXTS:
        room = answer_budget(
            context_tokens=context, max_output_tokens=max_output_tokens, overhead_tokens=overhead_tokens
        )
        if room >= answers * MIN_SHARE_TOKENS:
            return context
    return ASSUMED_CONTEXTS[-1]


def water_level(sizes: list[int], budget: int) -> int:
    """The largest level L with sum(min(size, L)) <= budget: the small keep everything, the large share the rest."""
    left = max(0, budget)
    for taken, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - taken)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def fit(texts: Mapping[str, str], budget: int, *, prompt: str = "", uniform: bool = False) -> Fitted:
    """Texts that need at most `budget` estimated tokens together.

    Whole when they fit. Otherwise loss-free trims come first (blank lines, the prompt echoed back), then each text
    above the water level keeps its head and tail around a mark that says how much is missing. `uniform`: all texts get
    the loss-free trims or none does, so that when one text is picked as it stands, none was compared in another shape.
    """
    if _total(texts) <= budget:
        return Fitted(dict(texts))
    level = water_level([estimate_tokens(text) for text in texts.values()], budget)
    lean = {
        letter: drop_repeats(text, prompt) if uniform or estimate_tokens(text) > level else text
        for letter, text in texts.items()
    }
    level = water_level([estimate_tokens(text) for text in lean.values()], budget)
    shown = {letter: cut_middle(text, level) for letter, text in lean.items()}
    return Fitted({letter: text for letter, (text, _) in shown.items()}, _trims(shown))


def drop_repeats(text: str, prompt: str) -> str:
    """Loss-free trims: blank lines in a row outside code become one; a long prompt echoed whole becomes a mark."""
    echo = prompt.strip()
    if len(echo) >= ECHO_MIN_CHARS and echo in text:
        text = text.replace(echo, f"[… the question repeated, {_count(estimate_tokens(echo))} tokens omitted …]")
    return "".join(part if is_code else re.sub(r"\n{3,}", "\n\n", part) for is_code, part in split_code(text))


def cut_middle(text: str, level: int) -> tuple[str, int]:
    """At most `level` tokens of the text: 60 % of them from its head, 40 % from its tail, and how many are missing."""
    size = estimate_tokens(text)
    if size <= level:
        return text, 0
    keep = level - MARK_TOKENS
    if keep < MARK_TOKENS:
        return text[: max(0, level) * CHARS_PER_TOKEN], size - max(0, level)
    head = int(keep * HEAD_SHARE) * CHARS_PER_TOKEN
    tail = keep * CHARS_PER_TOKEN - head
    omitted = size - keep
    return f"{text[:head]}\n[… {_count(omitted)} tokens omitted …]\n{text[len(text) - tail :]}", omitted


def _trims(shown: Mapping[str, tuple[str, int]]) -> tuple[Trim, ...]:
    return tuple(Trim(letter, omitted) for letter, (_, omitted) in shown.items() if omitted)


def _total(texts: Mapping[str, str]) -> int:
    return sum(estimate_tokens(text) for text in texts.values())


def _count(number: int) -> str:
    return f"{number:,}"
