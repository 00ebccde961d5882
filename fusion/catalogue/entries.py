"""One model behind one connection, as a team meets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fusion.live.record import EndpointFacts
from fusion.providers.catalogue import Price
from fusion.providers.problems import Problem

Payer = Literal["team", "site", ""]  # whose key it is; empty where nobody pays


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model behind one connection. `listed`: the provider or a person names it; else it is taken on trust.

    `connection` is the slug, `connection_pk` None for one that is not stored. `price` None means unknown.
    `vanished_at`: the provider named it once and does not any more. `problem`: what a simulated model is to suffer,
    which its `ref` asks for; `model_id` is always the bare one. `entry_id`: the public id of its row, if it has one.
    """

    ref: str
    connection: str
    model_id: str
    name: str
    provider: str
    family: str = ""
    context_tokens: int | None = None
    price: Price | None = None
    simulated: bool = False
    listed: bool = True
    problem: Problem | None = None
    payer: Payer = ""
    connection_pk: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    vanished_at: datetime | None = None
    entry_id: str = ""

    @property
    def sees(self) -> bool | None:
        """Whether it takes images; None when nobody says what it takes."""
        return "image" in self.input_modalities if self.input_modalities else None

    def facts(self) -> EndpointFacts:
        words = self.problem.words if self.problem is not None else ""
        return EndpointFacts(self.ref, self.model_id, self.name, self.provider, self.simulated, words, self.payer)
