"""Untrusted Markdown to HTML that cannot act: the one sanitising renderer.

Three walls stand behind one another: the parser knows no HTML and no images; every rendered block passes an allow-list
of tags, attributes, classes and URL schemes; only then do our own frames (code bar, scrolling table) go around it.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments.token import STANDARD_TYPES

from fusion.web.dangling import close_dangling
from fusion.web.highlight import highlight

Env = MutableMapping[str, Any]

_RULE_OF_TABLE = re.compile(r"[ \t]*[|:-][|:\- \t]+")

MAX_NESTING = 24
# Inline parsing is not linear in hostile input: what is longer, or fuller of marks, is shown as plain text.
MAX_INLINE_CHARS = 10_000
MAX_BRACKETS = 300
MAX_MARKS = 1_500
# A table row costs its columns, written or not: wider tables are shown as the text they are, and a row that lacks more
# than half of its cells, or more than these, ends its table.
MAX_COLUMNS = 60
MAX_MISSING_CELLS = 8
LANGUAGE_CHARS = 24
PLAIN_LABEL = "shown as plain text"

# C0 and C1 controls, and half surrogate pairs: no meaning in text, and trouble for every parser behind us.
_CONTROLS = {code: 0xFFFD for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)) if code not in (9, 10)}
_ANY_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# Characters that reorder or hide their neighbours: embeddings, overrides, isolates, zero-width fillers, tags. Joiners
# stay (emoji and several scripts need them), directional marks too (they cannot reorder what is not theirs).
_FLAG = "\U0001f3f4[\U000e0020-\U000e007f]{1,8}"
_DECEPTIVE = re.compile(
    f"{_FLAG}|[\u202a-\u202e\u2066-\u2069\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def normalise(text: str) -> str:
    """One line ending and no control characters, so that a text means the same however it was cut."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CONTROLS) if _ANY_CONTROL.search(text) else text


def _spell_out(match: re.Match[str]) -> str:
    found = match.group()
    return found if len(found) > 1 else f"⟦U+{ord(found):04X}⟧"


def shown_chars(text: str) -> int:
    """How long a text is where it is shown."""
    return len(text) if text.isascii() else len(text) + 7 * sum(1 for _ in _DECEPTIVE.finditer(text))


def show_deceptive(html: str) -> str:
    """Invisible and reordering characters become their names; this runs last, as `&#x202E;` is one too."""
    return html if html.isascii() else _DECEPTIVE.sub(_spell_out, html)


# --- links ------------------------------------------------------------------------------------------


def _safe_href(href: str) -> str:
    """The address of an absolute web or mail link; empty for anything else."""
    try:
        parts = urlsplit(href)
        known = parts.scheme in ("http", "https") and parts.hostname is not None
    except ValueError:
        return ""
    return href if known or (parts.scheme == "mailto" and "@" in parts.path) else ""


def _host(href: str) -> str:
    """Where a safe link leads, as people should see it: `example.org`, or the mail address."""
    parts = urlsplit(href)
    if parts.scheme == "mailto":
        return parts.path
    return parts.netloc.rpartition("@")[2]


def _says_host(text: str, host: str) -> bool:
    """Whether a link's own text already tells, truthfully and whole, where it leads."""
    text = text.strip().casefold()
    text = text.removeprefix("https://").removeprefix("http://").removeprefix("mailto:")
    return re.split(r"[/?#]", text, maxsplit=1)[0] == host.casefold()


def _host_note(host: str) -> str:
    return f'<bdi class="host">({escape(host)})</bdi>'


def _closing(tokens: Sequence[Token], start: int) -> int:
    """Index of the link_close that belongs to the link_open at `start`."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += {"link_open": 1, "link_close": -1}.get(tokens[index].type, 0)
        if depth == 0:
            return index
    return len(tokens) - 1


# --- rendering --------------------------------------------------------------------------------------


class _Renderer(RendererHTML):
    """Our dialect of HTML: no newlines between tags, headings below the page's own, links that name their host."""

    def renderToken(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        if token.hidden:
            return ""
        return f"<{'/' if token.nesting == -1 else ''}{token.tag}{self.renderAttrs(token)}>"

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return f"<h{min(6, int(tokens[idx].tag[1]) + 2)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return f"</h{min(6, int(tokens[idx].tag[1]) + 2)}>"

    def _cell(self, token: Token) -> str:
        align = str(token.attrGet("style") or "").removeprefix("text-align:")
        return f'<{token.tag} class="align-{align}">' if align else f"<{token.tag}>"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return self._cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return self._cell(tokens[idx])

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        language = language_of(tokens[idx].info)
        code = tokens[idx].content
        coloured = escape(code, quote=False) if "uncoloured" in tokens[idx].meta else highlight(code, language)
        return f'<pre><code data-lang="{escape(language)}">{coloured}</code></pre>'

    def plain(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return f'<pre><code data-lang="{PLAIN_LABEL}">{escape(tokens[idx].content, quote=False)}</code></pre>'

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return f'<pre><code data-lang="text">{escape(tokens[idx].content, quote=False)}</code></pre>'

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        href = _safe_href(str(tokens[idx].attrGet("href") or ""))
        closing = _closing(tokens, idx)
        if not href:
            tokens[closing].meta["after"] = ""
            return ""
        text = self.renderInlineAsText(tokens[idx + 1 : closing], options, env)
        note = "" if _says_host(text, _host(href)) else f" {_host_note(_host(href))}"
        tokens[closing].meta["after"] = f"</a>{note}"
        return f'<a href="{escape(href)}">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return str(tokens[idx].meta.get("after", ""))

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A chip of text in the image's place: fetching it would tell its host who reads what."""
        token = tokens[idx]
        href = _safe_href(str(token.attrGet("src") or ""))
        alt = self.renderInlineAsText(token.children, options, env).strip() or "image"
        note = f" {_host_note(_host(href))}" if href else ""
        return f'<span class="image">{escape(alt, quote=False)}{note}</span>'


def language_of(info: str) -> str:
    """The label of a code block: the first word of its info string, cut short; `text` without one."""
    words = info.split(maxsplit=1)
    return words[0][:LANGUAGE_CHARS] if words else "text"


def _is_crowded(text: str) -> bool:
    """Whether a run of text would cost the inline parser more than its length."""
    return (
        shown_chars(text) > MAX_INLINE_CHARS
        or text.count("[") > MAX_BRACKETS
        or sum(map(text.count, "*_~`<&")) > MAX_MARKS
    )


def _bound_inline(state: StateCore) -> None:
    """Keep crowded runs of text out of the inline parser; complete the last one while it is being written."""
    leaf = next((token for token in reversed(state.tokens) if token.nesting >= 0), None)
    for token in state.tokens:
        if token.type == "inline" and _is_crowded(token.content):
            token.type, token.children = "unread", [Token("text", "", 0, content=token.content)]
    if state.env.get("growing") and leaf is not None and leaf.type == "inline":
        completed = close_dangling(leaf.content)
        state.env["completed"] = completed != leaf.content
        leaf.content = completed


def _unwrap_unread(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "unread":
            token.type = "inline"


def _show_plain(state: StateCore) -> None:
    """Put a block of plain text in the place of a top-level block that cannot be read whole.

    That is a crowded paragraph, and whatever is nested deeper than the parser goes: it would leave out the rest.
    """
    if all(map(_is_readable, state.tokens)):
        return
    lines = state.src.split("\n")
    shown: list[Token] = []
    for group in split_level(state.tokens):
        if all(map(_is_readable, group)):
            shown.extend(group)
        else:
            start, end = group[0].map or (0, len(lines))
            shown.append(plain_token("\n".join(lines[start:end]), (start, end)))
    state.tokens = shown


def _is_readable(token: Token) -> bool:
    return token.level < MAX_NESTING - 1 and not (
        token.type == "inline" and token.level == 1 and _is_crowded(token.content)
    )


def plain_token(text: str, lines: tuple[int, int]) -> Token:
    """A top-level block that shows its source, the given lines [start, end)."""
    return Token("plain", "", 0, content=text, map=list(lines), block=True)


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The parser's own rule, for tables of a bearable width and up to the first row that lacks too many cells."""
    if start + 2 > end or not _RULE_OF_TABLE.fullmatch(state.src, state.bMarks[start + 1], state.eMarks[start + 1]):
        return False
    columns = _pipes(state, start + 1)
    if columns > MAX_COLUMNS:
        return False
    missing = min(MAX_MISSING_CELLS, (columns + 1) // 2)
    last = start + 2
    while last < end and not state.isEmpty(last) and _pipes(state, last) >= columns - missing:
        last += 1
    return table(state, start, last, silent)


def _pipes(state: StateBlock, line: int) -> int:
    return state.src.count("|", state.bMarks[line], state.eMarks[line])


def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "typographer": False, "maxNesting": MAX_NESTING, "xhtmlOut": False}
    md = MarkdownIt("commonmark", options, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    # The renderer judges every address; a parser that refuses some would show their source instead of their text.
    md.validateLink = lambda url: True  # type: ignore[method-assign]
    md.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
    md.core.ruler.after("block", "show_plain", _show_plain)
    md.core.ruler.after("show_plain", "bound_inline", _bound_inline)
    md.core.ruler.after("inline", "unwrap_unread", _unwrap_unread)
    return md


_MD = _parser()
# What the parser does with a text once its blocks are known.
_INLINE_RULES = _MD.core.ruler.getRules("")[3:]

_CLEANER = nh3.Cleaner(
    tags={
        *("p", "h3", "h4", "h5", "h6", "hr", "br", "blockquote", "ul", "ol", "li"),
        *("strong", "em", "s", "code", "pre", "a", "span", "bdi"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    },
    attributes={"a": {"href"}, "ol": {"start"}, "code": {"data-lang"}},
    allowed_classes={
        "span": {*STANDARD_TYPES.values(), "image"} - {""},
        "bdi": {"host"},
        **{cell: {"align-left", "align-center", "align-right"} for cell in ("th", "td")},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)

_CODE = re.compile(r'<pre><code data-lang="([^"]*)">')
_CODE_FRAME = (
    r'<div class="code"><div class="code-bar"><span class="code-lang">\1</span>'
    r'<button type="button" class="copy" data-copy-code="">Copy</button></div><pre tabindex="0"><code>'
)
_TABLE_FRAME = '<div class="table" tabindex="0" role="group" aria-label="Table"><table>'


def clean(html: str) -> str:
    """Pass rendered HTML through the allow-list, then put our frames around code and tables.

    In cleaned HTML every `<` of text is an entity, so a literal `<table>` is the renderer's own.
    """
    html = show_deceptive(_CLEANER.clean(html))
    if "<pre>" in html:
        html = _CODE.sub(_CODE_FRAME, html).replace("</code></pre>", "</code></pre></div>")
    if "<table>" in html:
        html = html.replace("<table>", _TABLE_FRAME).replace("</table>", "</table></div>")
    return html


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block: its tokens and the lines [start, end) of the parsed text that it covers."""

    tokens: Sequence[Token]
    start: int
    end: int

    @property
    def first(self) -> Token:
        return self.tokens[0]

    @property
    def kind(self) -> str:
        return self.first.type.removesuffix("_open")


def split_level(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Cut a token stream where its nesting returns to the level it began on."""
    groups: list[Sequence[Token]] = []
    start = depth = 0
    for index, token in enumerate(tokens):
        depth += token.nesting
        if depth == 0:
            groups.append(tokens[start : index + 1])
            start = index + 1
    return groups


def parse_blocks(text: str, env: Env) -> list[Block]:
    """The top-level blocks of a normalised text; definitions found go to `env["references"]`.

    With `env["growing"]` set the last run of text is taken as unfinished: `env["completed"]` then says whether that
    changed it.
    """
    groups = split_level(_MD.parse(text, env))
    return [Block(group, *(group[0].map or (0, 0))) for group in groups]


def block_tokens(text: str, env: Env) -> list[Token]:
    """The blocks of a text with their running text unread, for `read_inline`; definitions go to `env`."""
    state = StateCore(text, _MD, env)
    _MD.block.parse(text, _MD, env, state.tokens)
    _show_plain(state)
    return state.tokens


def read_inline(tokens: list[Token], env: Env) -> Sequence[Token]:
    """The same tokens with their running text read, by the definitions in `env`."""
    state = StateCore("", _MD, env)
    state.tokens = tokens
    for rule in _INLINE_RULES:
        rule(state)
    return tokens


def render_tokens(tokens: Sequence[Token]) -> str:
    """Clean HTML of one complete group of block tokens."""
    return clean(_MD.renderer.render(tokens, _MD.options, {}))


def render_inline(text: str, references: Env) -> str:
    """Clean HTML of a piece of running text."""
    return render_tokens(_MD.parseInline(text, {"references": references}))
