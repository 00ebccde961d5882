"""The bundled questions that a first visit offers, where the simulated provider is on."""

from __future__ import annotations

from django.conf import settings

from fusion.providers.simulated import QUESTIONS, BundledQuestion


def bundled_questions() -> tuple[BundledQuestion, ...]:
    """The questions that the simulated panel answers at length; none where simulation is switched off."""
    return QUESTIONS if settings.FUSION_SIMULATED else ()
