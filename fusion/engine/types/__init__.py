"""The engine's values: what goes to a provider, what comes back, and what a run is planned from.

Nothing here knows Django, HTTP or a database. Times are seconds (`_s`) or milliseconds (`_ms`); tokens are LLM tokens.
"""

from __future__ import annotations

from fusion.engine.types.answers import UNDER_WAY, USABLE, Answer, AnswerState, Endpoint, Failure, Sight
from fusion.engine.types.calls import (
    Chunk,
    CompletionRequest,
    Finish,
    FinishReason,
    Image,
    Message,
    Provider,
    ReasoningDelta,
    Role,
    TextDelta,
    Usage,
)
from fusion.engine.types.finals import Final, FinalKind, RunState, Span
from fusion.engine.types.plans import Criterion, Limits, Member, Mode, Plan, Rubric
from fusion.engine.types.verdicts import (
    Assessment,
    Contradiction,
    IntegrityNote,
    Judgement,
    Point,
    Problem,
    Recheck,
    Stance,
    Trim,
    Verdict,
)

__all__ = [
    "UNDER_WAY",
    "USABLE",
    "Answer",
    "AnswerState",
    "Assessment",
    "Chunk",
    "CompletionRequest",
    "Contradiction",
    "Criterion",
    "Endpoint",
    "Failure",
    "Final",
    "FinalKind",
    "Finish",
    "FinishReason",
    "Image",
    "IntegrityNote",
    "Judgement",
    "Limits",
    "Member",
    "Message",
    "Mode",
    "Plan",
    "Point",
    "Problem",
    "Provider",
    "ReasoningDelta",
    "Recheck",
    "Role",
    "Rubric",
    "RunState",
    "Sight",
    "Span",
    "Stance",
    "TextDelta",
    "Trim",
    "Usage",
    "Verdict",
]
