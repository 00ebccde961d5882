"""What the lines of a growing text say already: what may still change is not decided."""

from __future__ import annotations

import re

from fusion.web.markdown import Block
from fusion.web.portions import line_work

MAX_HEADER_CHARS = 400  # a line is taken for a coming table header no longer than this

# A line of which nothing but marks is known yet may become a list item, a heading, a rule, a fence or a table row.
_UNDECIDED = re.compile(r"[-*_=+#>`~|:\s]*|\s{0,12}\d{1,9}[.)]?\s*")


def first_lines(text: str, count: int) -> int:
    """Length of the first `count` lines."""
    end = 0
    for _ in range(count):
        end = text.find("\n", end) + 1
        if end == 0:
            return len(text)
    return end


def decided(text: str) -> str:
    """`text` without a last line that may yet become something else, nor a line that may be a table's header."""
    start = text.rfind("\n") + 1
    if _UNDECIDED.fullmatch(text, start):
        text = text[:start]
    start = text.rfind("\n", 0, len(text) - 1) + 1
    last = text[start:]
    is_header = last.lstrip().startswith("|") or (last.endswith("\n") and "|" in last)
    if is_header and len(last) <= MAX_HEADER_CHARS and not _is_rule_of_table(last):
        return text[:start]
    return text


def _is_rule_of_table(line: str) -> bool:
    return not line.strip(" \t\n|:-")


def is_closed(block: Block, text: str) -> bool:
    """Whether the last block of `text` has ended, whatever comes next."""
    lines = text.count("\n")
    match block.kind:
        case "heading" | "hr":
            return block.end <= lines
        case "paragraph" | "blockquote" | "table":
            return block.end < lines
        case "fence":
            line = text[first_lines(text, block.end - 1) :].split("\n", 1)[0]
            return block.end - block.start > 1 and block.end <= lines and closes(line, block.first.markup)
        case _:
            return False


def closes(line: str, mark: str) -> bool:
    bare = line.strip(" \t")
    return len(bare) >= len(mark) and not bare.strip(mark[0]) and len(line) - len(line.lstrip(" ")) <= 3


def may_close(line: str, mark: str) -> bool:
    """Whether an unfinished line can still become the fence's end (white space alone may, too)."""
    return not line.strip(" \t").strip(mark[0]) and len(line) < 80


def work_of(text: str) -> int:
    return sum(map(line_work, text.split("\n")))
