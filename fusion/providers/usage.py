"""What an upstream says a call consumed and cost, read with suspicion. No float comes near money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from fusion.engine.types import Usage

MAX_TOKENS = 100_000_000
_CUT_CHARS_PER_TOKEN = 4.4  # a prompt of which less was read has more characters for each token that was
_MAX_COST = Decimal(1_000_000)
_NANOS = Decimal(1_000_000_000)


def read_usage(payload: bytes) -> Usage | None:
    """The usage in a JSON chunk, or None when there is none or it cannot be true.

    Negative, huge, fractional or missing input counts drop the whole report: a wrong number is worse than an estimate.
    """
    try:
        chunk = json.loads(payload, parse_float=Decimal, parse_constant=lambda _: None)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    usage = chunk.get("usage") if isinstance(chunk, dict) else None
    return _usage(usage) if isinstance(usage, dict) else None


def was_prompt_cut(usage: Usage, prompt_chars: int) -> bool:
    """Whether a server has read less of a prompt than it was sent, told by how Ollama does it without a word.

    What is over the context goes, or (seen in 0.32, its issue 17427) what is over half of the context and two tokens.
    Either way the count of what was read is a round one: 4096 or 2050 at its default of 4096. A whole prompt of just
    such a size and of long words would be taken for a cut one: with these sizes, two in ten thousand at most.
    """
    is_round = _is_context(usage.input_tokens) or _is_context(2 * (usage.input_tokens - 2))
    return is_round and prompt_chars > _CUT_CHARS_PER_TOKEN * usage.input_tokens


def _is_context(tokens: int) -> bool:
    """Whether people give models such a context."""
    return tokens == 2048 or (tokens > 0 and tokens % 4096 == 0)


def decimal_or_none(value: object) -> Decimal | None:
    """An exact, finite number from a JSON number (already a Decimal or int) or a string; never from a float."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    input_tokens = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens", default=0)
    if input_tokens is None or completion is None:
        return None
    output = _with_hidden_reasoning(usage, input_tokens, completion)
    reasoning = _count(_part(usage, "completion_tokens_details"), "reasoning_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output,
        cached_input_tokens=min(_cached(usage) or 0, input_tokens),
        reasoning_tokens=min(output - completion if reasoning is None else reasoning, output),
        cost_nanos=_whole_cost_nanos(usage),
    )


def _with_hidden_reasoning(usage: Mapping[str, Any], input_tokens: int, completion: int) -> int:
    """Google's and xAI's `completion_tokens` leave reasoning out, but their `total_tokens` count it."""
    total = _count(usage, "total_tokens")
    return completion if total is None else max(completion, total - input_tokens)


def _cached(usage: Mapping[str, Any]) -> int | None:
    """Cached input as OpenAI, DeepSeek and Moonshot name it."""
    cached = _count(_part(usage, "prompt_tokens_details"), "cached_tokens")
    return _count(usage, "prompt_cache_hit_tokens", "cached_tokens") if cached is None else cached


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return part if isinstance(part, dict) else {}


def _count(usage: Mapping[str, Any], *names: str, default: int | None = None) -> int | None:
    """The first of `names` that is present, as a sane token count; None when it is insane."""
    for name in names:
        value = usage.get(name)
        if value is not None:
            sane = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
            return value if sane else None
    return default


def _whole_cost_nanos(usage: Mapping[str, Any]) -> int | None:
    """What the call cost. With a key of one's own at OpenRouter, `cost` is only its fee, and the upstream's price
    stands beside it; with its key that price is told too, but is the cost itself."""
    cost = _cost_nanos(usage.get("cost"))
    if usage.get("is_byok") is not True:
        return cost
    upstream = _cost_nanos(_part(usage, "cost_details").get("upstream_inference_cost"))
    return None if cost is None or upstream is None else cost + upstream


def _cost_nanos(value: object) -> int | None:
    """Dollars as whole nano-dollars, half to even; None when unknown or absurd."""
    dollars = decimal_or_none(value)
    if dollars is None or not 0 <= dollars <= _MAX_COST:
        return None
    return int((dollars * _NANOS).to_integral_value(ROUND_HALF_EVEN))
