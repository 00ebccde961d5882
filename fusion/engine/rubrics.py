"""What a judge scores by: presets of weighted criteria, each with anchored levels, and the composite score.

A criterion's `question` is one line for people, then lines that say what levels 1, 3 and 5 look like: judges without
anchors bunch their scores and mean different things by the same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fusion.engine.types import Criterion, Rubric

LOWEST, HIGHEST = 1, 5


def composite(rubric: Rubric, scores: Mapping[str, int]) -> float:
    """The weighted score, 0 to 100: 100 * sum(w * (x - 1) / 4) over the criteria that were scored.

    The weights of unscored criteria are spread over the others; without any score it is 0.
    """
    scored = [criterion for criterion in rubric.criteria if criterion.name in scores]
    weight = sum(criterion.weight for criterion in scored)
    if not weight:
        return 0.0
    gained = sum(item.weight * (scores[item.name] - LOWEST) / (HIGHEST - LOWEST) for item in scored)
    return round(100 * gained / weight, 4)  # rounded so that equal scores compare equal


def _criterion(name: str, weight: float, question: str, *, low: str, middle: str, high: str) -> Criterion:
    return Criterion(name, weight, f"{question}\n1: {low}\n3: {middle}\n5: {high}")


GENERAL = Rubric(
    "general",
    "General",
    (
        _criterion(
            "correctness",
            0.40,
            "Is what it says true, and does it follow?",
            low="a central statement is wrong or made up",
            middle="the main point holds, a secondary statement is wrong or unsupported",
            high="every statement that you checked holds, and doubt is stated where there is doubt",
        ),
        _criterion(
            "fit",
            0.25,
            "Does it answer the question that was asked, within the limits that were set?",
            low="it answers another question or breaks an explicit limit",
            middle="it answers the question but misses or bends one requirement",
            high="it meets every stated requirement and the evident purpose behind them",
        ),
        _criterion(
            "completeness",
            0.20,
            "Is everything there that a careful expert would not leave out?",
            low="something is missing without which the answer cannot be used",
            middle="the essentials are there, one consequential point is missing",
            high="nothing of consequence is missing",
        ),
        _criterion(
            "clarity",
            0.15,
            "Can the person who asked act on it after one reading?",
            low="the answer has to be dug out",
            middle="it can be followed, with detours or repetition",
            high="ordered by what matters, exact words, nothing to skip",
        ),
    ),
)

CODE_REVIEW = Rubric(
    "code-review",
    "Code review",
    (
        _criterion(
            "correctness",
            0.40,
            "Are its findings and fixes right for this code?",
            low="it misses the defect that matters or reports one that does not exist",
            middle="the main finding is right, a lesser finding or a fix is wrong",
            high="every finding is real, every fix works and breaks nothing else",
        ),
        _criterion(
            "risk",
            0.25,
            "Does it see what can hurt: security, data loss, races, failing edge cases?",
            low="it overlooks or introduces a serious risk",
            middle="it sees the obvious risk, not how far it reaches",
            high="it names each serious risk, when it strikes and how badly",
        ),
        _criterion(
            "specificity",
            0.20,
            "Does it speak of the given code rather than of code in general?",
            low="advice that would fit any code",
            middle="points at the right places, mixed with general advice",
            high="every point names its line or expression and the input that shows it",
        ),
        _criterion(
            "actionability",
            0.15,
            "Could the author apply it at once?",
            low="unclear what to change",
            middle="clear what to change, not how or in which order",
            high="ready changes, the most important first",
        ),
    ),
)

RESEARCH = Rubric(
    "research",
    "Research",
    (
        _criterion(
            "accuracy",
            0.40,
            "Are its facts, figures and attributions right?",
            low="a central fact is wrong, or a source is made up",
            middle="the central facts hold, a detail is wrong or out of date",
            high="every fact that you checked holds, uncertain ones are marked",
        ),
        _criterion(
            "evidence",
            0.25,
            "Does it show what its claims rest on?",
            low="bare assertions",
            middle="reasons or sources for some claims, not for the decisive ones",
            high="the decisive claims come with checkable evidence, and its strength is stated",
        ),
        _criterion(
            "coverage",
            0.20,
            "Does it cover the question, including what speaks against its conclusion?",
            low="one side or one part only",
            middle="the main parts, without the strongest objection",
            high="all main parts, with counter-evidence and limits",
        ),
        _criterion(
            "clarity",
            0.15,
            "Is the conclusion easy to find and easy to follow?",
            low="no conclusion, or one that the text does not carry",
            middle="a conclusion, loosely connected to the text",
            high="a plain conclusion, and each step that leads to it",
        ),
    ),
)

REASONING = Rubric(
    "reasoning",
    "Reasoning",
    (
        _criterion(
            "conclusion",
            0.55,
            "Is the final result right?",
            low="wrong, or no result",
            middle="right in part, or right with a condition missing",
            high="right and complete",
        ),
        _criterion(
            "steps",
            0.30,
            "Does each step follow from the one before?",
            low="a decisive step is invalid, whatever the result",
            middle="the line of thought holds, with a gap or a slip that does not change the result",
            high="every step is valid and none is missing",
        ),
        _criterion(
            "clarity",
            0.15,
            "Can a reader check it?",
            low="the steps cannot be told apart",
            middle="checkable with effort",
            high="each step stands alone and can be checked at once",
        ),
    ),
)

CREATIVE = Rubric(
    "creative",
    "Creative",
    (
        _criterion(
            "brief",
            0.35,
            "Does it do what the brief asks: audience, purpose, form, length, limits?",
            low="it breaks an explicit demand of the brief",
            middle="the letter of the brief, not its spirit",
            high="every demand met, for exactly this audience",
        ),
        _criterion(
            "originality",
            0.30,
            "Is there an idea that is not the first one everybody has?",
            low="stock phrases and the obvious idea",
            middle="a familiar idea with a turn of its own",
            high="a surprising idea that seems inevitable afterwards",
        ),
        _criterion(
            "craft",
            0.25,
            "Is it well made: rhythm, images, structure, exact words?",
            low="clumsy or uneven",
            middle="clean, without a line one would keep",
            high="every sentence is there for a reason, and several would be remembered",
        ),
        _criterion(
            "usability",
            0.10,
            "Could it be used as it stands?",
            low="needs rewriting",
            middle="needs editing",
            high="ready to use",
        ),
    ),
)

RUBRICS: Mapping[str, Rubric] = MappingProxyType(
    {rubric.key: rubric for rubric in (GENERAL, CODE_REVIEW, RESEARCH, REASONING, CREATIVE)}
)
