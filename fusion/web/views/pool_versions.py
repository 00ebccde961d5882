"""The versions of a pool: any two beside each other, and going back to one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from fusion.catalogue.available import models_of
from fusion.errors import InvalidInput, NotAllowed
from fusion.models import Pool, PoolVersion, User
from fusion.runs.pool_compare import compare
from fusion.runs.pools import restore_version, spec_of
from fusion.teams.rights import may_edit_pool
from fusion.web.views.entry import read_only, signed_in, write_only
from fusion.web.views.pools import current_version, pool_of, version_of


@signed_in
@read_only
def pool_compare(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Two versions: `from` and `to`, else the current one and the one before it."""
    user = request.user
    assert isinstance(user, User)
    pool = pool_of(user, public_id)
    new = version_of(pool, request.GET.get("to", ""))
    old = version_of(pool, request.GET.get("from", "") or str(max(1, new.number - 1)))
    context = {
        "pool": pool,
        "old": old,
        "new": new,
        "numbers": pool.versions.order_by("-number").values_list("number", flat=True),
        "comparison": compare(spec_of(old), spec_of(new), models_of(pool.team)),
        "restorable": _restorable(user, pool, old, new),
        "current": current_version(pool).number,
    }
    return render(request, "fusion/pools/compare.html", context)


def _restorable(user: User, pool: Pool, old: PoolVersion, new: PoolVersion) -> list[int]:
    """Those of the two that the person may go back to."""
    numbers = dict.fromkeys((old.number, new.number))
    return [one for one in numbers if one != current_version(pool).number] if may_edit_pool(user, pool) else []


@signed_in
@write_only
def pool_restore(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Make an earlier version's rules the current ones; where they cannot be run any more, open them in the editor."""
    user = request.user
    assert isinstance(user, User)
    pool = pool_of(user, public_id)
    version = version_of(pool, request.POST.get("version", ""))
    try:
        written = restore_version(version=version, author=user)
    except NotAllowed as exc:
        raise PermissionDenied(exc.message) from exc
    except InvalidInput as exc:
        messages.error(request, f"Version {version.number} cannot be restored as it is. {exc.message}")
        return redirect(f"{reverse('pool-edit', args=[pool.public_id])}?version={version.number}")
    messages.success(request, f"Version {version.number} is back, as version {written.number}.")
    return redirect("pool-detail", public_id=pool.public_id)
