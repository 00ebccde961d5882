"""A table that is still being written: committed row by row."""

from __future__ import annotations

from fusion.web.growth.ground import Ground, OpenBlock
from fusion.web.growth.lines import first_lines, work_of
from fusion.web.markdown import parse_blocks, render_tokens
from fusion.web.portions import BLOCK_CHARS, BLOCK_WORK, line_work, window


def open_table(ground: Ground) -> None:
    head = ground.take_chars(first_lines(ground.pending, 2))
    _begin_table(ground, head, work_of(head))


def _begin_table(ground: Ground, head: str, spent: int) -> None:
    html = render_tokens(parse_blocks(head, ground.env())[0].tokens)
    prefix, end, suffix = html.partition("</table>")
    ground.begin(OpenBlock("table", prefix, end + suffix, " table", source=[head], mark=head, work=spent))


def step_table(ground: Ground, opened: OpenBlock) -> str | None:
    text = ground.near[: ground.near.rfind("\n") + 1]
    if not text:
        return ""
    fitting = window(text, 0, BLOCK_WORK - opened.work)[0]
    row = text[: first_lines(text, 1)]
    has_room = opened.work + line_work(row) <= BLOCK_WORK and opened.chars + len(row) <= BLOCK_CHARS
    fits = has_room or not opened.inner
    table = parse_blocks(opened.mark + text[:fitting], ground.env())[0]
    source = text[: first_lines(text, table.end - 2)]
    if source and not fits:
        ground.close(opened, "", "")
        _begin_table(ground, opened.mark, 0)
        return None
    _, start, rows = render_tokens(table.tokens).partition("<tbody>")
    rows = start + rows.partition("</table>")[0]
    ground.take_chars(len(source))
    if len(source) < fitting:
        ground.close(opened, rows, source)
        return None
    opened.work += work_of(source)
    ground.extend(opened, rows, source)
    return "" if fitting == len(text) else None
