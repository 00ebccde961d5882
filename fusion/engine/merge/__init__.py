"""Merge the other answers' best claims into the best answer: planned in code, written in one call, attributed."""

from fusion.engine.merge.plan import Patch, plan_patches
from fusion.engine.merge.writer import WritingTask, write_final, write_merge

__all__ = ["Patch", "WritingTask", "plan_patches", "write_final", "write_merge"]
