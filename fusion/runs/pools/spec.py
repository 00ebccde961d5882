"""A pool's rules as a value: what an editor holds and a set-up file says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fusion.models import Pool, PoolVersion
from fusion.models.pool import Mode


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One seat as a person writes it down; None means the site's default."""

    ref: str
    temperature: Decimal | None = None
    max_tokens: int | None = None
    system_note: str = ""
    timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """All that a pool editor holds. `anchor` is a member's position; an empty `writer` means the judge writes.

    `name`, `visibility` and `editors` belong to the pool, everything else to its version.
    """

    name: str
    members: tuple[MemberSpec, ...]
    judge: str = ""
    visibility: str = Pool.Visibility.TEAM
    editors: str = Pool.Editors.AUTHOR
    mode: str = Mode.BEST_OF
    rubric: str = "general"
    fallback_judges: tuple[str, ...] = ()
    writer: str = ""
    judge_instructions: str = ""
    anchor: int = 0
    quorum: int | None = None
    grace_s: int | None = None
    panel_timeout_s: int | None = None
    judge_timeout_s: int | None = None
    debate_rounds: int = 1
    on_quorum_missed: str = PoolVersion.OnQuorumMissed.JUDGE
    on_judge_failure: str = PoolVersion.OnJudgeFailure.NONE


def spec_of(version: PoolVersion) -> PoolSpec:
    """A stored version as a spec again."""
    members = tuple(
        MemberSpec(seat.ref, seat.temperature, seat.max_tokens, seat.system_note, seat.timeout_s)
        for seat in version.members.all()
    )
    return PoolSpec(
        name=version.pool.name,
        members=members,
        judge=version.judge,
        visibility=version.pool.visibility,
        editors=version.pool.editors,
        mode=version.mode,
        rubric=version.rubric,
        fallback_judges=tuple(version.fallback_judges),
        writer=version.writer,
        judge_instructions=version.judge_instructions,
        anchor=version.anchor,
        quorum=version.quorum,
        grace_s=version.grace_s,
        panel_timeout_s=version.panel_timeout_s,
        judge_timeout_s=version.judge_timeout_s,
        debate_rounds=version.debate_rounds,
        on_quorum_missed=version.on_quorum_missed,
        on_judge_failure=version.on_judge_failure,
    )
