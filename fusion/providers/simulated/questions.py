"""The bundled questions with their written answers and what the simulated judge knows about them.

Each folder under `questions/` is one question: `question.md` is the prompt, `<model>.md` one written answer each,
`judgement.toml` the title, kind and rubric and everything the judge may say. The folders hold the words, this module
only reads them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

QUESTIONS_DIR = Path(__file__).parent / "questions"
ORDER = ("code-review", "research", "logic-puzzle", "creative-brief")


@dataclass(frozen=True, slots=True)
class BundledQuestion:
    """A question with written answers. `kind` is for people, `rubric_key` names the rubric that suits it."""

    slug: str
    title: str
    kind: str
    prompt: str
    rubric_key: str


@dataclass(frozen=True, slots=True)
class WrittenProblem:
    quote: str
    issue: str
    severity: str


@dataclass(frozen=True, slots=True)
class WrittenAssessment:
    """The judge's view of one written answer. `scores` has one 1..5 per dimension of `judging.DIMENSIONS`.

    `merit` and `shortfall` are the sentences of the rationale when the answer wins and when it does not; both say
    `{label}` for the answer.
    """

    strengths: tuple[str, ...]
    problems: tuple[WrittenProblem, ...]
    fatal_flaw: str | None
    scores: Mapping[str, int]
    merit: str
    shortfall: str


@dataclass(frozen=True, slots=True)
class WrittenPoint:
    """A claim and, for each model that makes it, where it says so."""

    text: str
    standing: str
    quotes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrittenStance:
    stance: str
    right: bool
    quotes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrittenContradiction:
    topic: str
    material: bool
    stances: tuple[WrittenStance, ...]
    resolution: str | None
    basis: str


@dataclass(frozen=True, slots=True)
class WrittenJudgement:
    """`notes` restates what a correct answer must contain; `blind_spots` are what no written answer says."""

    notes: str
    assessments: Mapping[str, WrittenAssessment]
    points: tuple[WrittenPoint, ...]
    contradictions: tuple[WrittenContradiction, ...]
    blind_spots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenQuestion:
    """A bundled question with its answers by model id."""

    question: BundledQuestion
    answers: Mapping[str, str]
    judgement: WrittenJudgement


@cache
def written_questions() -> tuple[WrittenQuestion, ...]:
    """All bundled questions, in the order in which they are offered; read from disk once per process."""
    return tuple(_read(QUESTIONS_DIR / slug) for slug in ORDER)


def find_question(prompt: str) -> WrittenQuestion | None:
    """The bundled question that this prompt is, whatever its case and white space; None for any other prompt."""
    wanted = normalised(prompt)
    return next((found for found in written_questions() if normalised(found.question.prompt) == wanted), None)


def normalised(text: str) -> str:
    return " ".join(text.split()).casefold()


def _read(folder: Path) -> WrittenQuestion:
    facts = tomllib.loads((folder / "judgement.toml").read_text(encoding="utf-8"))
    question = BundledQuestion(
        slug=folder.name,
        title=facts["title"],
        kind=facts["kind"],
        prompt=(folder / "question.md").read_text(encoding="utf-8").strip(),
        rubric_key=facts["rubric"],
    )
    answers = {name: (folder / f"{name}.md").read_text(encoding="utf-8").strip() for name in facts["answers"]}
    return WrittenQuestion(question=question, answers=answers, judgement=_judgement(facts))


def _judgement(facts: Mapping[str, Any]) -> WrittenJudgement:
    return WrittenJudgement(
        notes=facts["notes"],
        assessments={name: _assessment(told) for name, told in facts["answers"].items()},
        points=tuple(WrittenPoint(told["text"], told["standing"], told["quotes"]) for told in facts["points"]),
        contradictions=tuple(_contradiction(told) for told in facts["contradictions"]),
        blind_spots=tuple(facts["blind_spots"]),
    )


def _assessment(told: Mapping[str, Any]) -> WrittenAssessment:
    return WrittenAssessment(
        strengths=tuple(told["strengths"]),
        problems=tuple(WrittenProblem(**problem) for problem in told.get("problems", ())),
        fatal_flaw=told.get("fatal_flaw"),
        scores=told["scores"],
        merit=told["merit"],
        shortfall=told["shortfall"],
    )


def _contradiction(told: Mapping[str, Any]) -> WrittenContradiction:
    return WrittenContradiction(
        topic=told["topic"],
        material=told["material"],
        stances=tuple(WrittenStance(s["stance"], s["right"], s["quotes"]) for s in told["stances"]),
        resolution=told.get("resolution"),
        basis=told["basis"],
    )
