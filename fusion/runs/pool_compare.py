"""Any two versions of a pool beside each other: members, rules, and long texts word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import LCSseq

from fusion.catalogue.available import TeamModels
from fusion.models.pool import PoolMember
from fusion.runs.pool_changes import by_occurrence, ref_words, rule_lines, seat_lines
from fusion.runs.pools import MemberSpec, PoolSpec

How = Literal["same", "changed", "moved", "added", "removed"]
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text: in both, only in the earlier one, or only in the later one."""

    kind: Literal["same", "old", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One fact of both versions in words. `parts`: for a long text, the words of both in one."""

    title: str
    old: str
    new: str
    parts: Sequence[Part] = ()

    @property
    def changed(self) -> bool:
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class MemberPair:
    """One member in both versions; an empty letter means that it does not sit in that one."""

    name: str
    old_letter: str
    new_letter: str
    how: How
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Comparison:
    members: Sequence[MemberPair]
    rules: Sequence[Line]

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return not any(pair.how != "same" for pair in self.members) and not any(line.changed for line in self.rules)


def compare(old: PoolSpec, new: PoolSpec, models: TeamModels) -> Comparison:
    """Everything that the two say; what differs is marked, what does not is there too."""
    pairs = zip(rule_lines(old, models), rule_lines(new, models), strict=True)
    rules = [Line(title, before, after) for (title, before), (_, after) in pairs]
    instructions = _text("Judge instructions", old.judge_instructions, new.judge_instructions)
    return Comparison(list(_members(old, new, models)), [*rules, *instructions])


def _members(old: PoolSpec, new: PoolSpec, models: TeamModels) -> Iterator[MemberPair]:
    """In the order of the later version, those that left at the end."""
    before, after = by_occurrence(old, models), by_occurrence(new, models)
    for key in [*after, *(key for key in before if key not in after)]:
        was, now = before.get(key), after.get(key)
        seat = now or was
        assert seat is not None, "a key comes from one of the two"
        old_at, new_at = _letter(key, before), _letter(key, after)
        lines = _member_lines(was or MemberSpec(seat.ref), now or MemberSpec(seat.ref), models)
        yield MemberPair(ref_words(seat.ref, models), old_at, new_at, _how(old_at, new_at, lines), lines)


def _letter(key: tuple[str, int], members: dict[tuple[str, int], MemberSpec]) -> str:
    return PoolMember.LETTERS[list(members).index(key)] if key in members else ""


def _how(old_at: str, new_at: str, lines: Sequence[Line]) -> How:
    if not old_at:
        return "added"
    if not new_at:
        return "removed"
    if any(line.changed for line in lines):
        return "changed"
    return "same" if old_at == new_at else "moved"


def _member_lines(old: MemberSpec, new: MemberSpec, models: TeamModels) -> list[Line]:
    settings = [Line(what.capitalize(), before, after) for what, before, after in seat_lines(old, new, models)]
    return [*settings, *_text("System note", old.system_note, new.system_note)]


def _text(title: str, old: str, new: str) -> Iterator[Line]:
    """Nothing where neither has a text."""
    if old or new:
        yield Line(title, old, new, word_diff(old, new))


def word_diff(old: str, new: str) -> list[Part]:
    """Both texts in one, split by what they share. Takes a moment at most, however alike or unlike they are."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    parts: list[Part] = []
    for step in LCSseq.opcodes(before, after):
        gone, come = "".join(before[step.src_start : step.src_end]), "".join(after[step.dest_start : step.dest_end])
        if step.tag == "equal":
            parts.append(Part("same", gone))
            continue
        parts += [Part(kind, text) for kind, text in (("old", gone), ("new", come)) if text]  # type: ignore[arg-type]
    return parts
