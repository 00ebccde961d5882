"""Tables: one module per noun, with fields, constraints, querysets and facts about one row."""

from fusion.models.attachment import PromptImage
from fusion.models.audit import AuditEvent
from fusion.models.catalogue import CatalogueRevision, ModelEntry, PriceVersion
from fusion.models.connection import Connection
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
from fusion.models.team import Invitation, Membership, Team
from fusion.models.user import User

__all__ = [
    "Answer",
    "AuditEvent",
    "Call",
    "CatalogueRevision",
    "Connection",
    "FinalAnswer",
    "Invitation",
    "Membership",
    "ModelEntry",
    "Pool",
    "PoolMember",
    "PoolVersion",
    "PriceVersion",
    "PromptImage",
    "Run",
    "RunCommand",
    "RunEvent",
    "RunExecution",
    "Team",
    "User",
    "VerdictRecord",
    "WorkerLease",
]
