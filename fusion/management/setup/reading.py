"""From the text of a set-up file to its tables; every mistake is told with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fusion.errors import InvalidInput
from fusion.management.setup.tables import Document

_HEADER = re.compile(r"\s*\[\[?\s*([\w-]+)")
Path = tuple[str | int, ...]


class SetupRefused(InvalidInput):
    """A set-up file that cannot be applied: all that is wrong with it, a line each. Nothing has changed."""

    code = "setup_refused"


@dataclass(frozen=True, slots=True)
class SetupFile:
    """A file that was read. `where` says in which line something stands."""

    document: Document
    where: Where


class Where:
    """Finds lines, as tomllib tells none: a table's is its header's, a key's the first in its table with that key."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._tables: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines):
            if match := _HEADER.match(line):
                self._tables.setdefault(match[1], []).append(number)
        self._headers = sorted(number for numbers in self._tables.values() for number in numbers)

    def line(self, path: Path) -> int:
        """The line, from 1, of `("pools", 0, "members", 1, "temperature")`, or of what is nearest to it."""
        begin = self._table(path)
        end = next((number for number in self._headers if number > begin), len(self._lines))
        for key in reversed([part for part in path[1:] if isinstance(part, str)]):
            found = self._find(key, begin, end)
            if found is not None:
                return found + 1
        return begin + 1

    def _table(self, path: Path) -> int:
        numbers = self._tables.get(str(path[0]), []) if path else []
        index = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        if index < len(numbers):
            return numbers[index]
        return self._find(str(path[0]), 0, len(self._lines)) or 0 if path else 0

    def _find(self, key: str, begin: int, end: int) -> int | None:
        pattern = re.compile(rf"(?:^|[{{,\[])\s*[\"']?{re.escape(key)}[\"']?\s*(?:=|\]|\.)")
        return next((number for number in range(begin, end) if pattern.search(self._lines[number])), None)


def read_setup(text: str) -> SetupFile:
    """The tables of a file. Raises SetupRefused: not TOML, an unknown key, a value of the wrong kind."""
    try:
        parsed = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise SetupRefused(f"This is not TOML: {exc}") from exc
    where = Where(text)
    try:
        return SetupFile(Document.model_validate(parsed), where)
    except ValidationError as exc:
        lines = [_told(error, where) for error in exc.errors(include_url=False, include_input=False)]
        raise SetupRefused("\n".join(dict.fromkeys(lines))) from exc


def _told(error: Mapping[str, Any], where: Where) -> str:
    path: Path = tuple(error["loc"])
    path = tuple(part for part in path if not _is_union_mark(part))
    return f"line {where.line(path)}: {_named(path)}: {_why(error, path)}"


def _is_union_mark(part: str | int) -> bool:
    """Pydantic names the alternative of a union in the path; people did not write it."""
    return isinstance(part, str) and (part.startswith(("constrained-", "SeatTable")) or part in ("decimal", "int"))


def _named(path: Path) -> str:
    """`[[pools]] number 1, members, item 2, temperature`."""
    words = [f"[[{path[0]}]]" if path else "the file"]
    if len(path) > 1 and isinstance(path[1], int):
        words[0] += f" number {path[1] + 1}"
        path = path[1:]
    for part in path[1:]:
        words.append(f"item {part + 1}" if isinstance(part, int) else f"“{part[:60]}”")
    return ", ".join(words)


def _why(error: Mapping[str, Any], path: Path) -> str:
    if error["type"] != "extra_forbidden":
        return _sentence(str(error["msg"]))
    known = sorted(_keys_at(path[:-1]))
    near = get_close_matches(str(path[-1]), known, n=1)
    hint = f"Did you mean “{near[0]}”?" if near else f"Known are: {', '.join(known)}."
    return f"this key is not known here. {hint}"


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _keys_at(path: Sequence[str | int]) -> set[str]:
    """The keys that a table at this place may have."""
    table: type[BaseModel] = Document
    for part in path:
        if isinstance(part, str) and part in table.model_fields:
            table = _table_in(table.model_fields[part].annotation) or table
    return set(table.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _table_in(one)) is not None), None)
