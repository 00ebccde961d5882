"""The simulated models: who they are, how fast they speak and what they say of a prompt nobody wrote answers for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fusion.providers.catalogue import ModelInfo, Price

OPENING_CHARS = 25  # of a placeholder: enough to tell it from every other text
_QUOTED_CHARS = 160
_TOPIC_WORDS = 4
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$&:])")
_STOPWORDS = """
about after again also because been before being between could does doing during each every from have having here into
just like make many more most much must need only other over please should some such than that their them then there
these they this those through under very want were what when where which while will with without would write your
"""


@dataclass(frozen=True, slots=True)
class Persona:
    """One simulated model. Speed is `ttft_s` to the first piece, then `tokens_per_s`; `reasoning` is streamed first.

    `sees`: whether it takes images. Either way nobody looks at them, and it says so.
    """

    model_id: str
    title: str
    family: str
    context_tokens: int
    price: Price
    ttft_s: float
    tokens_per_s: float
    reasoning: str = ""
    placeholder: str = ""
    sees: bool = True

    def info(self) -> ModelInfo:
        """The model as a provider lists it; the prices are invented so that receipts have something to add up."""
        return ModelInfo(
            model_id=self.model_id,
            name=f"Simulated · {self.title}",
            family=self.family,
            context_tokens=self.context_tokens,
            price=self.price,
            input_modalities=("text", "image") if self.sees else ("text",),
            output_modalities=("text",),
        )


@dataclass(frozen=True, slots=True)
class RecommendedPool:
    """The panel and the judge that show the simulation best; model ids of this provider."""

    name: str
    members: tuple[str, ...]
    judge: str


_CAREFUL = """\
## This is a simulation

No language model read your question. I am **Careful**, a simulated member of this panel, and I have written answers \
only for the bundled examples. What reached me was:

> {question}

I looked at it only as text: {words}{topics}.

### What would happen with a real model

1. Add a connection with a provider's key under *Connections*, or put the key into the file `.env`, for example as \
`OPENROUTER_API_KEY=…`, and start Fusion again.
2. Build a pool from the models that the key reaches, and choose a judge from another family than the members.
3. Ask again. Every member then answers this question, the judge compares the answers, and the receipt shows the \
cost of each call.

Everything else about this run is real: the streaming, the stopping, the judging step and the stored record.
"""

_TERSE = """\
**Simulated.** No model was asked.

> {question}

- Bundled examples: I have answers.
- Anything else{topics}: I do not.
- Real answers: add a connection, or set `OPENROUTER_API_KEY` (or `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, \
`GEMINI_API_KEY`) in `.env` and restart.
"""

_BOLD = """\
# Honest headline: I am a simulation

You asked this:

> {question}

A real model would have had an opinion by now{topics}. I have none, and I will not fake one: I only perform the four \
bundled questions.

**The fix takes a minute.** An `OPENROUTER_API_KEY` alone, under *Connections* or in `.env`, reaches hundreds of \
models from every large lab, which is all that a mixed panel needs.

Until then, pick one of the bundled examples. They show the whole path: disagreement, verdict, final.
"""

_SCEPTIC = """\
Do not trust this panel with your question. All of its members are simulated, so agreement between us proves nothing, \
and neither does the verdict that follows.

The text I was given:

> {question}

Before you believe a *real* answer{topics}, I would ask three things:

- Which of its claims could be checked, and against what?
- Do the members come from different families, or do they share their blind spots?
- What would each of them have to see to change its mind?

You need not pay for a key to find out: with a model server on this machine, set `OLLAMA_BASE_URL` in `.env` and \
restart. A hosted key such as `OPENROUTER_API_KEY` works the same way, but most of its calls cost money.
"""

_ARBITER = """\
I am **Arbiter**, the simulated judge. I was asked as a member, and I have no answer of my own to this:

> {question}

My work is to compare what others wrote{topics}. For answers from real models, set a key such as \
`OPENROUTER_API_KEY` in `.env` and restart.
"""

PERSONAS: tuple[Persona, ...] = (
    Persona(
        model_id="careful",
        title="Careful",
        family="simulated-oak",
        context_tokens=200_000,
        price=Price(input_picos=3_000_000, output_picos=15_000_000),
        ttft_s=0.9,
        tokens_per_s=110.0,
        placeholder=_CAREFUL,
    ),
    Persona(
        model_id="terse",
        title="Terse",
        family="simulated-flint",
        context_tokens=32_000,
        price=Price(input_picos=150_000, output_picos=600_000),
        ttft_s=0.3,
        tokens_per_s=160.0,
        placeholder=_TERSE,
        sees=False,
    ),
    Persona(
        model_id="bold",
        title="Bold",
        family="simulated-comet",
        context_tokens=128_000,
        price=Price(input_picos=1_250_000, output_picos=10_000_000),
        ttft_s=0.5,
        tokens_per_s=120.0,
        placeholder=_BOLD,
    ),
    Persona(
        model_id="sceptic",
        title="Sceptic",
        family="simulated-thistle",
        context_tokens=64_000,
        price=Price(input_picos=800_000, output_picos=4_000_000),
        ttft_s=0.7,
        tokens_per_s=80.0,
        reasoning=(
            "Simulated reasoning. Read the question twice. What does everyone take for granted here? "
            "Look for the claim that would hurt most if it were false, and check that one first. "
        ),
        placeholder=_SCEPTIC,
        sees=False,
    ),
    Persona(
        model_id="arbiter",
        title="Arbiter",
        family="simulated-scale",
        context_tokens=400_000,
        price=Price(input_picos=2_000_000, output_picos=8_000_000),
        ttft_s=0.6,
        tokens_per_s=280.0,
        placeholder=_ARBITER,
    ),
)

MODELS: tuple[ModelInfo, ...] = tuple(persona.info() for persona in PERSONAS)
SIMULATED_POOL = RecommendedPool(name="Simulated panel", members=("careful", "terse", "bold"), judge="arbiter")


def persona_named(model_id: str) -> Persona | None:
    """The persona with this id, or None."""
    return next((persona for persona in PERSONAS if persona.model_id == model_id), None)


def is_placeholder(text: str) -> bool:
    """Whether a text is what one of the personas says of a prompt that nobody wrote answers for."""
    return text.startswith(tuple(persona.placeholder.partition("{")[0][:OPENING_CHARS] for persona in PERSONAS))


def placeholder_answer(persona: Persona, question: str) -> str:
    """What this persona says of a prompt without a written answer: that it is simulated, and what a key would do."""
    return persona.placeholder.format(
        question=_restated(question),
        words="1 word" if len(question.split()) == 1 else f"{len(question.split()):,} words",
        topics=_topics(question),
    )


def _restated(question: str) -> str:
    """The prompt on one line, shortened, with every Markdown character escaped: it must not format our answer."""
    line = " ".join(question.split())
    shown = line if len(line) <= _QUOTED_CHARS else line[:_QUOTED_CHARS].rstrip() + "…"
    return _MARKDOWN_SPECIAL.sub(r"\\\1", shown) or "(nothing)"


def _topics(question: str) -> str:
    words = dict.fromkeys(word.lower() for word in re.findall(r"[^\W\d_]{4,}", question))
    rare = sorted((word for word in words if word not in _STOPWORDS.split()), key=len, reverse=True)[:_TOPIC_WORDS]
    chosen = [word for word in words if word in rare]
    return f" about {', '.join(chosen)}" if chosen else ""
