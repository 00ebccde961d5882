"""Debate: the judge's contradictions become a ledger, the members argue in rounds, a judge rules, a writer writes."""

from fusion.engine.debate.ledger import Ledger
from fusion.engine.debate.partial import (
    PartialDisputeRuling,
    PartialMove,
    PartialRuling,
    partial_position,
    partial_ruling,
)
from fusion.engine.debate.plan import plan_ruled_patches
from fusion.engine.debate.rounds import hold_debate, ledger_of, left_out_letters
from fusion.engine.debate.ruling import base_candidates, rule

__all__ = [
    "Ledger",
    "PartialDisputeRuling",
    "PartialMove",
    "PartialRuling",
    "base_candidates",
    "hold_debate",
    "ledger_of",
    "left_out_letters",
    "partial_position",
    "partial_ruling",
    "plan_ruled_patches",
    "rule",
]
