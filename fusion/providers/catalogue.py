"""What a provider says it serves: models, their sizes and their prices, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """What one token costs, in whole pico-dollars (1e-12 USD); `cached_input_picos` None means not told."""

    input_picos: int
    output_picos: int
    cached_input_picos: int | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One LLM as a provider lists it. `price` None means unknown; modalities are empty when the provider is silent.

    `family` is who trained it (`openai`, `anthropic`, `meta`…): two members of one family share blind spots.
    """

    model_id: str
    name: str
    family: str = ""
    context_tokens: int | None = None
    price: Price | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()

    @property
    def sees(self) -> bool | None:
        """Whether it takes images; None when the provider does not say what it takes."""
        return "image" in self.input_modalities if self.input_modalities else None
