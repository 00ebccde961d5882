"""What a judge reads of an answer: without hidden text and self-naming, and with a scan for attempts to steer it.

All patterns run in time linear in the text: no repeat stands inside a repeat and every gap has an upper bound, since
the text may be half a million characters written to make them slow. The scan never removes anything; it reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

QUOTE_CHARS = 160
HITS_PER_KIND = 3
TRIES_PER_PATTERN = 200


@dataclass(frozen=True, slots=True)
class Flag:
    """Text that tries to steer a judge: `kind` is a stable code, `quote` what was found."""

    kind: str
    quote: str


def clean_answer(text: str) -> str:
    """The answer as a judge reads it.

    Hidden reasoning, HTML comments (both outside fenced code), invisible characters and self-naming are gone, newlines
    are `\\n`. Fenced code keeps its characters, apart from invisible ones, which would make code lie about itself.
    """
    text = remove_invisible(text)
    parts = (part if is_code else _clean_prose(part) for is_code, part in split_code(text))
    return "".join(parts).strip("\n")


def scan(text: str, *, prompt: str = "") -> tuple[Flag, ...]:
    """Everything in the raw answer that speaks to a judge instead of to the person who asked.

    What the person's own prompt says too is no sign: an answer about prompt injection may quote its subject.
    """
    known = _folded(prompt)
    visible = remove_invisible(text)
    flags = [*_smuggled(text)]
    for kind, pattern in STEERING:
        flags.extend(Flag(kind, quote) for quote in _quotes(pattern, visible, known))
    flags.extend(_fake_verdict(visible, known))
    return tuple(flag for flag in flags if not any(_holds(other, flag) for other in flags))


# --- cleaning ----------------------------------------------------------------------------------

_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb"
)
_TAGS = "\U000e0000-\U000e0fff"
_JOINERS = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"  # but not those inside emoji and scripts
_INVISIBLE_RE = re.compile(f"[{_CONTROLS}{_INVISIBLE}{_TAGS}\ud800-\udfff]|{_JOINERS}")
_NEWLINE_RE = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_FENCE_RE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_HIDDEN_RE = re.compile(r"<(think|thinking|reasoning|scratchpad)>|<!--", re.IGNORECASE)


def remove_invisible(text: str) -> str:
    """Normalise newlines; drop control, zero-width, bidirectional and tag characters and lone surrogates."""
    return _INVISIBLE_RE.sub("", _NEWLINE_RE.sub("\n", text))


def split_code(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces, each with whether it is a fenced code block; joined they are the text."""
    start, opened = 0, ""
    for match in _FENCE_RE.finditer(text):
        fence, rest = match[1], match[2]
        if not opened:
            if fence[0] == "`" and "`" in rest:
                continue  # inline code that happens to start a line
            yield False, text[start : match.start()]
            start, opened = match.start(), fence
        elif fence[0] == opened[0] and len(fence) >= len(opened) and not rest.strip():
            yield True, text[start : match.end()]
            start, opened = match.end(), ""
    yield bool(opened), text[start:]


def _clean_prose(text: str) -> str:
    return neutralise_self_naming(_drop_hidden(text))


def _drop_hidden(text: str) -> str:
    """Cut out `<think>…</think>` and `<!--…-->`; one that never ends hides the rest of its piece, as on a page."""
    kept: list[str] = []
    position = 0
    lowered = text.lower() if len(text.lower()) == len(text) else text
    while match := _HIDDEN_RE.search(text, position):
        kept.append(text[position : match.start()])
        closing = f"</{match[1].lower()}>" if match[1] else "-->"
        end = lowered.find(closing, match.end())
        position = len(text) if end < 0 else end + len(closing)
    kept.append(text[position:])
    return "".join(kept)


_NAMES = (
    r"(?:Chat\s?GPT|GPT-?\d[\w.-]{0,20}|Claude(?:[ -](?:v?\d[\w.]{0,6}|Opus|Sonnet|Haiku|Instant|Code)){0,3}"
    r"|Gemini(?:[ -](?:\d[\w.]{0,6}|Pro|Ultra|Flash|Nano|Advanced)){0,3}|Bard|Llama[ -]?\d?[\w.-]{0,12}"
    r"|Mi[sx]tral(?:[ -]\w{1,8})?"
    r"|DeepSeek(?:-[\w.]{1,8})?|Qwen[\w.-]{0,12}|Grok(?:[ -]\d[\w.]{0,4})?|Copilot|Kimi|GLM-?\d?[\w.]{0,5}"
    r"|Command[ -]R\+?"
    r"|Phi-\d[\w.]{0,5}|o[134](?:-mini|-pro)?)"
)
_VENDORS = (
    r"(?:OpenAI|Anthropic|Google(?: DeepMind)?|DeepMind|Meta(?: AI)?|Mistral(?: AI)?|xAI|DeepSeek|Alibaba(?: Cloud)?"
    r"|Microsoft|Amazon|Cohere|Moonshot(?: AI)?|Zhipu(?: AI)?)"
)
_MADE_BY = (
    rf"(?:,? (?:(?:an?|the) [\w -]{{2,40}}? )?(?:which was |that was )?"
    rf"(?:made|built|created|developed|trained|designed|released)? ?(?:by|from) {_VENDORS})"
)
_KIND = r"(?:an? (?:large )?(?:AI|language)(?: language)?(?: model| assistant)?)"
_SELF_RE = re.compile(
    rf"\b(?:(?P<as>[Aa]s)\s(?:{_NAMES}\b{_MADE_BY}?(?=,|\sI\b)|{_KIND}{_MADE_BY})"
    rf"|(?P<lead>I am|I['\u2019]m|[Mm]y name is|[Cc]all me)\s"
    rf"(?:{_NAMES}\b(?! [A-Z][a-z])(?:, {_KIND})?{_MADE_BY}?|{_KIND}{_MADE_BY})"
    rf"|(?P<was>I was (?:made|built|created|developed|trained) by {_VENDORS}))"
)
_SIGNED_RE = re.compile(
    rf"^(?:[-\u2013\u2014]{{1,2}} ?|(?:Best|Regards|Yours|Sincerely), ?\n?){_NAMES}[.!]?$", re.MULTILINE
)


def neutralise_self_naming(text: str) -> str:
    """Replace an answer's own name and maker, where it speaks of itself, by "the assistant".

    Judges favour what they take for their own family's work (Panickssery et al. 2024, arXiv:2404.13076), so a name that
    is only a fact in the answer ("Claude Shannon", "released by OpenAI in 2020") stays.
    """
    text = _SELF_RE.sub(_as_assistant, text)
    return _SIGNED_RE.sub("\u2014 the assistant", text)


def _as_assistant(match: re.Match[str]) -> str:
    lead = match["as"] or match["lead"] or "I am"
    return f"{lead} the assistant"


# --- scanning ----------------------------------------------------------------------------------

_GRADER = (
    r"(?:judges?|graders?|evaluators?|raters?|scorers?|arbiters?|adjudicators?|assessors?|LLM[- ]as[- ]a[- ]judge)"
)
_PICK = r"(?:choose|pick|select|rank|rate|score|grade|prefer|award|vote|declare|assign)"
_OURS = r"(?:this|my|our|the present|the following|the above)"
_WORK = r"(?:answer|response|submission|reply|candidate)"
_CONDITION = r"(?!\s{1,3}(?:if|when|where|unless|because|over|for|only)\b)"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


STEERING: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "addresses_judge",
        _pattern(
            rf"\b(?:dear|attention|(?:note|message|instructions?) (?:to|for)|to|hey|hello|you are|you're|as)\s{{1,3}}"
            rf"(?:the |an? |any |all )?(?:\w{{1,15}} )?{_GRADER}\b[^\n]{{0,80}}?"
            rf"\b(?:{_PICK}|winner|best|highest|perfect|full marks|top|10/10|5/5)\b"
        ),
    ),
    (
        "addresses_judge",
        _pattern(
            rf"\b{_GRADER}\s{{0,2}}[:,]?\s{{0,2}}(?:please|must|should|shall|will|needs? to)\s{{1,3}}"
            rf"(?:\w{{1,15}} )?{_PICK}\b"
        ),
    ),
    (
        "overrides_instructions",
        _pattern(
            r"\b(?:ignore|disregard|forget|override|bypass)\s{1,3}(?:\w{1,12}\s{1,3}){0,3}"
            r"(?:previous|prior|above|preceding|earlier|foregoing|other|rubric|system)\s{1,3}(?:\w{1,15}\s{1,3}){0,2}"
            r"(?:instructions?|prompts?|rules?|rubrics?|criteria|answers?|responses?|directions?|messages?|context|candidates?)\b"
        ),
    ),
    (
        "asks_for_choice",
        _pattern(
            rf"\b{_PICK}(?: for)?\s{{1,3}}(?:{_OURS}\s{{1,3}}(?:\w{{1,12}} )?(?:{_WORK}|solution)\b{_CONDITION}"
            r"|me\b(?=\s{0,3}(?:[^\s\w]|$|as\b|first\b|best\b|over\b|instead\b|please\b|to win\b)))"
        ),
    ),
    (
        "asks_for_choice",
        _pattern(
            rf"\b{_OURS}\s{{1,3}}(?:\w{{1,12}} )?{_WORK}\s{{1,3}}"
            r"(?:is|should be|must be|deserves|has to be|wins|ought to be)\s{1,3}"
            r"(?:clearly |obviously |by far |rated |ranked |the |an? |to be |to win |declared |chosen ){0,4}"
            r"(?:best|winner|win|highest|chosen|selected|preferred|superior|perfect score|full marks|10/10|5/5)\b"
        ),
    ),
    (
        "asks_for_choice",
        _pattern(
            rf"\b(?:give|award|assign|grant)\s{{1,3}}(?:it|me|{_OURS}\s{{1,3}}{_WORK})\s{{1,3}}(?:an? |the )?"
            rf"(?:full|top|maximum|max|highest|perfect|best|5|10|100)\b"
        ),
    ),
    (
        "fake_fence",
        _pattern(
            r"</?(?:answer|question|base|patch)\b[^>\n]{0,80}?\b(?:n|id)\s?="
            r"|</(?:answer|question|base|patch)\s?>\s{0,9}<"
        ),
    ),
    ("fake_fence", _pattern(r"\[\[(?:b|c\d{1,3})\]\]")),
    (
        "chat_template",
        _pattern(
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|end_of_turn|start_header_id|end_header_id|begin_of_text)\|>"
            r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
        ),
    ),
)
_VERDICT_KEYS = re.compile(
    r"[\"'](winner|ranking|verdict|assessments?|fatal_flaw|rationale|margin|confidence|scores?|overall_score)[\"']"
    r"\s{0,3}:",
    re.IGNORECASE,
)
_TAG_RUN_RE = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007e]{4,}")


def _quotes(pattern: re.Pattern[str], text: str, known: str) -> Iterator[str]:
    hits = 0
    for tries, match in enumerate(pattern.finditer(text)):
        if hits == HITS_PER_KIND or tries == TRIES_PER_PATTERN:
            return
        if _folded(match[0]) in known:
            continue
        hits += 1
        yield _excerpt(text, match)


def _holds(outer: Flag, inner: Flag) -> bool:
    return outer.kind == inner.kind and outer.quote != inner.quote and inner.quote in outer.quote


def _excerpt(text: str, match: re.Match[str]) -> str:
    """The hit with the rest of its line, cut to a readable length."""
    line_end = text.find("\n", match.end(), match.start() + QUOTE_CHARS)
    end = line_end if line_end >= 0 else max(match.end(), match.start() + QUOTE_CHARS)
    return text[match.start() : end][:QUOTE_CHARS].strip()


def _fake_verdict(text: str, known: str) -> Iterator[Flag]:
    """Two different keys of a verdict, one of them deciding, that nobody asked for."""
    found: dict[str, re.Match[str]] = {}
    for tries, match in enumerate(_VERDICT_KEYS.finditer(text)):
        key = match[1].lower()
        if tries == TRIES_PER_PATTERN:
            break
        if key not in known:
            found.setdefault(key, match)
    deciding = [found[key] for key in ("winner", "verdict", "ranking") if key in found]
    if deciding and len(found) >= 2:
        yield Flag("fake_verdict", _excerpt(text, deciding[0]))


def _smuggled(text: str) -> Iterator[Flag]:
    """Tag characters are invisible ASCII. Four in a row are a hidden sentence, unless they follow a flag emoji."""
    for match in list(_TAG_RUN_RE.finditer(text))[:HITS_PER_KIND]:
        hidden = "".join(chr(ord(char) - 0xE0000) for char in match[0][:QUOTE_CHARS])
        yield Flag("hidden_text", hidden)


def _folded(text: str) -> str:
    return " ".join(text.lower().split())
