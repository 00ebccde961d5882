"""What a judge reads of an answer: without hidden text and self-naming.

All patterns run in time linear in the text: no repeat stands inside a repeat and every gap has an upper bound, since
the text may be half a million characters written to make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def clean_answer(text: str) -> str:
    """The answer as a judge reads it.

    Hidden reasoning, HTML comments (both outside fenced code), invisible characters and self-naming are gone, newlines
    are `\\n`. Fenced code keeps its characters, apart from invisible ones, which would make code lie about itself.
    """
    text = remove_invisible(text)
    parts = (part if is_code else _clean_prose(part) for is_code, part in split_code(text))
    return "".join(parts).strip("\n")


# --- cleaning ----------------------------------------------------------------------------------

_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb"
)
_TAGS = "\U000e0000-\U000e0fff"
_JOINERS = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"  # but not those inside emoji and scripts
_INVISIBLE_RE = re.compile(f"[{_CONTROLS}{_INVISIBLE}{_TAGS}\ud800-\udfff]|{_JOINERS}")
_VISIBLE_RE = re.compile(f"[^\\s{_CONTROLS}{_INVISIBLE}{_TAGS}\ud800-\udfff\u200c\u200d]")
_NEWLINES = "\r\x0b\x0c\x85\u2028\u2029"
_NEWLINE_RE = re.compile(f"\r\n|[{_NEWLINES}]")
_PLAIN_RE = re.compile(f"[^{_CONTROLS}{_INVISIBLE}{_TAGS}\ud800-\udfff\u200c\u200d{_NEWLINES}]*")
_FENCE_RE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_HIDDEN_RE = re.compile(r"<(think|thinking|reasoning|scratchpad)>|<!--", re.IGNORECASE)


def is_blank(text: str) -> bool:
    """Whether there is nothing to see; of a long text only its beginning is read, up to the first visible character."""
    return _VISIBLE_RE.search(text) is None


def remove_invisible(text: str) -> str:
    """Normalise newlines; drop control, zero-width, bidirectional and tag characters and lone surrogates."""
    if _PLAIN_RE.fullmatch(text):  # nearly always, and found out in a fraction of the time
        return text
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
    r"|Command[ -][RA]\+?|GPT-?oss[\w-]{0,8}|Gemma[ -]?\d?\w{0,8}|Nemotron[\w-]{0,12}"
    r"|Hunyuan|Doubao|ERNIE|MiniMax[\w-]{0,6}"
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
_SELF_ABROAD_RE = re.compile(
    r"(?<![A-Za-z])(?:(?P<lead>Ich bin|Mein Name ist|Je suis|Je m['\u2019]appelle|[Ss]oy|Me llamo|Io sono|Mi chiamo|"
    r"Eu sou|Ik ben|\u042f(?: \u2014)?|\u6211\u662f|\u6211\u53eb|\u79c1\u306f)|"
    r"(?P<as>Als|En tant que|Como|Come|\u4f5c\u4e3a))"
    rf"(?P<gap>\s?){_NAMES}(?![0-9A-Za-z])(?(as)(?=[,\uff0c])|(?! [A-Z][a-z]))"
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
    text = _SELF_ABROAD_RE.sub(lambda match: f"{match['lead'] or match['as']}{match['gap']}the assistant", text)
    return _SIGNED_RE.sub("\u2014 the assistant", text)


def _as_assistant(match: re.Match[str]) -> str:
    lead = match["as"] or match["lead"] or "I am"
    return f"{lead} the assistant"
