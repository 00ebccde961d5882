"""A provider without a network: models that are simulated and say so, for a first look and for tests."""

from fusion.providers.simulated.faults import PROBLEMS, split_fault, with_fault
from fusion.providers.simulated.personas import MODELS, SIMULATED_POOL, RecommendedPool
from fusion.providers.simulated.provider import SimulatedProvider
from fusion.providers.simulated.questions import BundledQuestion, written_questions

QUESTIONS: tuple[BundledQuestion, ...] = tuple(written.question for written in written_questions())

__all__ = [
    "MODELS",
    "PROBLEMS",
    "QUESTIONS",
    "SIMULATED_POOL",
    "BundledQuestion",
    "RecommendedPool",
    "SimulatedProvider",
    "split_fault",
    "with_fault",
]
