"""What a wording is, and what talk to a judge is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Phrase:
    """`needs`: of each group one word, in lower case, must occur in a text for the pattern to be tried on it.

    Looking for a word is some fifty times faster than looking for a pattern.
    """

    kind: str
    wording: str
    needs: tuple[tuple[str, ...], ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled on first use: few are ever tried, and all of them would be a tenth of what the engine loads."""
        return _compiled(self.wording)

    def may_occur(self, lowered: str) -> bool:
        for group in self.needs:  # spelled out: with `any` and `all` this was a third of what a short run costs
            for word in group:
                if word in lowered:
                    break
            else:
                return False
        return True


def phrase(kind: str, wording: str, *needs: str) -> Phrase:
    """`needs`: each group as words with `|` between them."""
    groups = tuple(tuple(group.split("|")) for group in needs)
    return Phrase(kind, wording, groups)


@cache
def _compiled(wording: str) -> re.Pattern[str]:
    return re.compile(wording, re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a sentence must hold to be talk to a judge about this very answer, in whatever words and order.

    Only where the question does not speak of judging itself: an answer about courts or exams may.
    """

    judge: re.Pattern[str]
    merit: re.Pattern[str]
    itself: re.Pattern[str]
    needs: tuple[str, ...]

    def may_occur(self, lowered: str) -> bool:
        return any(word in lowered for word in self.needs)


def talk(judge: str, merit: str, itself: str, needs: str) -> Talk:
    found = [re.compile(part, re.IGNORECASE) for part in (judge, merit, itself)]
    return Talk(found[0], found[1], found[2], tuple(needs.split("|")))
