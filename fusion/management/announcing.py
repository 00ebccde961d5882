"""What the server says when it is ready: where it is, what it found, what to do next."""

from __future__ import annotations

from django.conf import settings

from fusion.catalogue.sources import sources_from_settings
from fusion.providers.presets import PRESETS
from fusion.teams.services import is_first_account

WIDTH = 11


def announcement() -> str:
    """The lines to print; reads the database."""
    facts = [("Providers", _providers()), ("Data", str(settings.DATA_DIR)), ("Mail", _mail()), ("Next", _next_step())]
    lines = [f"  {name:<{WIDTH}}{line}" for name, fact in facts for name, line in _hanging(name, fact)]
    return "\n".join(["", f"Fusion is ready at {settings.FUSION_URL}", "", *lines, "", "Ctrl-C stops the server.", ""])


def _hanging(name: str, fact: str) -> list[tuple[str, str]]:
    first, *others = fact.splitlines()
    return [(name, first), *(("", line) for line in others)]


def _providers() -> str:
    found = sources_from_settings()
    real = [source for source in found if not source.is_simulated]
    lines = [", ".join(_named(source.made.label, source.made.key_name) for source in found) or "none"]
    lines += [advice for source in real if (advice := PRESETS[source.made.preset].advice)]
    if not real and found:
        lines.append("No key was found: simulated models answer. Put OPENROUTER_API_KEY=… into .env for real ones.")
    elif not real:
        lines.append("Nothing can be asked: set a provider's key, or FUSION_SIMULATED=on. See docs/configuration.md.")
    return "\n".join(lines)


def _named(label: str, key_name: str) -> str:
    return f"{label} ({key_name})" if key_name else label


def _mail() -> str:
    return f"by {settings.EMAIL_HOST}" if settings.EMAIL_HOST else "printed here (set FUSION_SMTP_HOST to send it)"


def _next_step() -> str:
    if not is_first_account():
        return "Open the address and sign in."
    step = "Open the address and create the first account; it becomes the administrator."
    return f"{step}\nFrom another machine it asks for the setup code: {settings.FUSION_SETUP_CODE}"
