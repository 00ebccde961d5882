"""The structured verdict: its schema, how it is read, checked, decided upon, shown while it grows, and stored."""

from fusion.engine.verdict.decide import Decision, decide
from fusion.engine.verdict.names import judge_prose
from fusion.engine.verdict.partial import PartialAssessment, PartialVerdict, partial_verdict
from fusion.engine.verdict.read import Reading, Rejection, Sheet, read_verdict
from fusion.engine.verdict.stored import (
    judgement_from_dict,
    judgement_to_dict,
    verdict_from_dict,
    verdict_to_dict,
)
from fusion.engine.verdict.winner import read_winner, winner_schema
from fusion.engine.verdict.wire import verdict_schema

__all__ = [
    "Decision",
    "PartialAssessment",
    "PartialVerdict",
    "Reading",
    "Rejection",
    "Sheet",
    "decide",
    "judge_prose",
    "judgement_from_dict",
    "judgement_to_dict",
    "partial_verdict",
    "read_verdict",
    "read_winner",
    "verdict_from_dict",
    "verdict_schema",
    "verdict_to_dict",
    "winner_schema",
]
