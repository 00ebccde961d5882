"""Marks that are no language: fences, chat templates and turns that somebody fakes."""

from __future__ import annotations

from fusion.engine.phrases.english import BEST, PICK, WORK, WORKS
from fusion.engine.phrases.wording import phrase

MARKS = (
    phrase(
        "fake_fence",
        r"</?(?:answer|question|base|patch)\b[^>\n]{0,80}?\b(?:n|id)\s?=",
        "<",
    ),
    phrase(
        "fake_fence",
        r"</(?:question|answer|base|patch)\s?>[\s\S]{0,160}?\b(?:judge|grader|winner)\b",
        "</",
    ),
    phrase("fake_fence", r"\[\[(?:b|c\d{1,3})\]\]", "[["),
    phrase(
        "chat_template",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|end_of_turn|start_header_id|end_header_id"
        r"|begin_of_text|start|end|channel|message|return)\|>"
        r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<\uff5c(?:User|Assistant|begin\u2581of\u2581sentence)\uff5c>",
        "<|inst]",
    ),
    phrase(
        "fake_turn",
        r"^\W{0,6}#{2,4}\s?(?:instructions?|system|human|assistant|user)\s?:[^\n]{0,160}?\b(?:choose|select|best|winner|rank|prefer|score)\b",
        "##",
    ),
    phrase(
        "fake_turn",
        r"<(?:system|admin|developer|instructions?|important|override)>[^<]{0,200}?\b(?:graders?|judges?|prefer|choose|rank|answers?|responses?|winner)\b",
        "<",
    ),
    phrase(
        "fake_turn",
        r"^\W{0,6}(?:human|user|system|assistant|developer)\W{0,3}:"
        rf"(?=[^\n]{{0,200}}\b{WORK}s?\b)(?=[^\n]{{0,200}}\b(?:{PICK}|{BEST})\b)[^\n]{{0,200}}",
        "human|user|system|assistant|developer",
        WORKS,
    ),
)
