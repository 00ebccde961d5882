"""What a run of these rules asks: how many upstream requests, and the judge's exact messages."""

from __future__ import annotations

from dataclasses import dataclass

from fusion.engine.judge import SITTING_REQUESTS_MAX
from fusion.engine.prompts import judge_prompt_preview
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Message
from fusion.models.pool import Mode
from fusion.runs.pools.spec import PoolSpec


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The upstream requests of one run when all goes well: at least `total_min`, and `total_debated` when there is
    something to debate in every round; `total_max` with every retry that may happen.
    """

    members: int
    judge: int
    writer: int
    fallbacks: int = 0
    rounds: int = 0

    @property
    def rebuttals(self) -> int:
        return self.members * self.rounds

    @property
    def ruling(self) -> int:
        return int(self.rounds > 0)

    @property
    def total_min(self) -> int:
        return self.members + self.judge + self.writer

    @property
    def total_debated(self) -> int:
        return self.total_min + self.rebuttals + self.ruling

    @property
    def total_max(self) -> int:
        """Members and writer are asked again once, a rebuttal also to mend it; each judge has its requests.

        One of the judges may judge twice, and a ruling may go through all of them once more.
        """
        sittings = self.judge * (1 + self.fallbacks + 1) + self.ruling * (1 + self.fallbacks)
        return 2 * (self.members + self.writer) + 3 * self.rebuttals + sittings * SITTING_REQUESTS_MAX

    @property
    def words(self) -> str:
        """How many, when all goes well: `5`, or `5 to 9` where it depends on what the answers disagree about."""
        return str(self.total_min) if not self.rounds else f"{self.total_min} to {self.total_debated}"


def planned_calls(spec: PoolSpec, mode: str | None = None) -> CallPlan:
    """How many upstream requests one run makes: N members, one verdict, one writing in merge mode.

    A debate asks each member once more in every round, and the judge for a ruling, if the verdict leaves a dispute.
    """
    judged, mode = len(spec.members) > 1, mode or spec.mode
    return CallPlan(
        members=len(spec.members),
        judge=int(judged),
        writer=int(judged and mode != Mode.BEST_OF),
        fallbacks=len(spec.fallback_judges),
        rounds=spec.debate_rounds if judged and mode == Mode.DEBATE else 0,
    )


def judge_preview(spec: PoolSpec) -> tuple[Message, ...]:
    """The exact messages that the judge would get, with sample answers."""
    return judge_prompt_preview(RUBRICS[spec.rubric], spec.judge_instructions, max(2, len(spec.members)))
