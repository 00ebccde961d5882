"""Short names of teams for set-up files and the command line."""

from __future__ import annotations

from django.utils.text import slugify

from fusion.models import Team

STEM_CHARS = 50  # of the column's 60: room for a number


def free_slug(name: str) -> str:
    """A slug made of `name`, or the first of slug-2, slug-3, … that no team has."""
    stem = slugify(name)[:STEM_CHARS].strip("-") or "team"
    taken = set(Team.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    if stem not in taken:
        return stem
    return next(slug for number in range(2, len(taken) + 3) if (slug := f"{stem}-{number}") not in taken)
