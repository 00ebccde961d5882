"""How often one person may have something done that costs others time; counted by this process."""

from __future__ import annotations

from django.core.cache import cache

from fusion.models import User


def may_again(person: User, what: str, *, times: int, per_s: int) -> bool:
    """Whether the person may do `what` once more: at most `times` from the first time on until `per_s` have passed."""
    key = f"limit:{what}:{person.pk}"
    if cache.add(key, 1, timeout=per_s):
        return True
    try:
        return cache.incr(key) <= times
    except ValueError:  # it ran out between the two
        cache.set(key, 1, timeout=per_s)
        return True
