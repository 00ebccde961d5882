"""Tables: one module per noun, with fields, constraints, querysets and facts about one row."""

from fusion.models.pool import Pool, PoolMember, PoolVersion
from fusion.models.run import (
    Answer,
    Call,
    FinalAnswer,
    Run,
    RunCommand,
    RunEvent,
    RunExecution,
    VerdictRecord,
    WorkerLease,
)
from fusion.models.team import Membership, Team
from fusion.models.user import User

__all__ = [
    "Answer",
    "Call",
    "FinalAnswer",
    "Membership",
    "Pool",
    "PoolMember",
    "PoolVersion",
    "Run",
    "RunCommand",
    "RunEvent",
    "RunExecution",
    "Team",
    "User",
    "VerdictRecord",
    "WorkerLease",
]
