"""Who trained a model, told from its id: members of one family share blind spots."""

from __future__ import annotations

import re

_FAMILIES = (
    ("deepseek", r"deepseek"),  # before the others: a distilled model carries both names
    ("anthropic", r"claude"),
    ("openai", r"gpt|chatgpt|^o\d|/o\d|davinci"),
    ("google", r"gemini|gemma|palm"),
    ("xai", r"grok"),
    ("nvidia", r"nemotron"),
    ("meta", r"llama"),
    ("mistral", r"mistral|mixtral|codestral|magistral|devstral|ministral|pixtral"),
    ("qwen", r"qwen|qwq"),
    ("microsoft", r"\bphi\b|phi-?\d|wizardlm"),
    ("cohere", r"command|\baya\b"),
    ("amazon", r"\bnova\b|titan"),
    ("moonshot", r"kimi|moonshot"),
    ("zhipu", r"\bglm"),
    ("minimax", r"minimax"),
    ("ibm", r"granite"),
)
_PATTERNS = tuple((family, re.compile(pattern, re.IGNORECASE)) for family, pattern in _FAMILIES)


def family_of(model_id: str) -> str:
    """The family of a model id, such as `anthropic`; for an unknown one its maker's prefix or first word."""
    for family, pattern in _PATTERNS:
        if pattern.search(model_id):
            return family
    maker, slash, _ = model_id.partition("/")
    word = maker if slash else re.split(r"[-_:.\d]", model_id, maxsplit=1)[0]
    return word.lower()
