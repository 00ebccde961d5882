"""From stored rows to what the engine runs: the plan of one execution and the record that it starts from.

`preparing` tells it in order: what there is to do (`todo`), whether that can be asked (`asking`), the engine's plan
(`making`, with its `times`), and the record that the page starts from (`fresh`).
"""

from fusion.runs.plan.asking import MODES, check_runnable, check_somebody_sees, check_usable, endpoint_facts
from fusion.runs.plan.making import run_seed
from fusion.runs.plan.preparing import Execution, prepare
from fusion.runs.plan.times import overall_s
from fusion.runs.plan.todo import KEPT_WHEN_RESUMED, HasText, Todo, can_be_judged, todo_of

__all__ = [
    "KEPT_WHEN_RESUMED",
    "MODES",
    "Execution",
    "HasText",
    "Todo",
    "can_be_judged",
    "check_runnable",
    "check_somebody_sees",
    "check_usable",
    "endpoint_facts",
    "overall_s",
    "prepare",
    "run_seed",
    "todo_of",
]
