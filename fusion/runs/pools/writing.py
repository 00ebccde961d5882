"""Making, changing, copying and deleting pools; saving writes the next immutable version and points the pool at it."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from fusion.catalogue.available import TeamModels, models_of
from fusion.errors import InvalidInput
from fusion.models import Pool, PoolMember, PoolVersion, Team, User
from fusion.runs.pools.checking import check_spec, payers_of
from fusion.runs.pools.spec import PoolSpec, spec_of
from fusion.teams.rights import require_pool_editor, require_runner


@transaction.atomic
def create_pool(*, author: User, team: Team, spec: PoolSpec, origin: str = "") -> Pool:
    """Make a pool with its first version. Raises InvalidInput, NotAllowed."""
    require_runner(author, team)
    models = models_of(team)
    check_spec(spec, models)
    pool = Pool.objects.create(
        team=team,
        author=author,
        name=spec.name.strip(),
        slug=_free_slug(team, spec.name),
        visibility=spec.visibility,
        origin=origin,
    )
    _write_version(pool, author=author, spec=spec, number=1, payers=payers_of(spec, models))
    return pool


@transaction.atomic
def save_pool(*, pool: Pool, author: User, spec: PoolSpec) -> PoolVersion:
    """Write the next version, unless the rules are as they were. Raises InvalidInput, NotAllowed."""
    require_pool_editor(author, pool)
    models = models_of(pool.team)
    check_spec(spec, models)
    pool = Pool.objects.select_for_update().get(pk=pool.pk)
    pool.name, pool.visibility = spec.name.strip(), spec.visibility
    pool.save(update_fields=["name", "visibility"])
    current, payers = pool.current, payers_of(spec, models)
    is_as_it_was = current is not None and spec_of(current) == replace(spec, name=pool.name)
    if current is not None and is_as_it_was and _same_payers(current, payers, models):
        return current
    number = 1 if current is None else current.number + 1
    return _write_version(pool, author=author, spec=spec, number=number, payers=payers)


def _same_payers(version: PoolVersion, payers: dict[str, str], models: TeamModels) -> bool:
    """Whether the version may go on as it is; one that has lost the team's own connection needs a new one."""
    lost = (models.why_not_paid(slug, payers=version.payers, since=version.created_at) for slug in payers)
    return version.payers == payers and not any(lost)


def duplicate_pool(*, pool: Pool, author: User) -> Pool:
    """Copy a pool's current rules into a new pool of the same team that belongs to `author`."""
    if pool.current is None:
        raise InvalidInput("This pool has no version to copy.")
    spec = spec_of(pool.current)
    return create_pool(author=author, team=pool.team, spec=replace(spec, name=f"{spec.name[:70]} (copy)"))


def delete_pool(*, pool: Pool, person: User) -> None:
    """Take a pool out of every list; its versions stay, because runs point at them."""
    require_pool_editor(person, pool)
    Pool.objects.filter(pk=pool.pk, deleted_at=None).update(deleted_at=timezone.now())


def _write_version(pool: Pool, *, author: User, spec: PoolSpec, number: int, payers: dict[str, str]) -> PoolVersion:
    version = PoolVersion.objects.create(
        pool=pool,
        number=number,
        author=author,
        mode=spec.mode,
        rubric=spec.rubric,
        judge=spec.judge,
        fallback_judges=list(spec.fallback_judges),
        writer=spec.writer,
        judge_instructions=spec.judge_instructions,
        anchor=spec.anchor,
        quorum=spec.quorum,
        grace_s=spec.grace_s,
        panel_timeout_s=spec.panel_timeout_s,
        debate_rounds=spec.debate_rounds,
        on_quorum_missed=spec.on_quorum_missed,
        on_judge_failure=spec.on_judge_failure,
        payers=payers,
    )
    PoolMember.objects.bulk_create(
        PoolMember(
            version=version,
            position=position,
            ref=member.ref,
            temperature=member.temperature,
            max_tokens=member.max_tokens,
            system_note=member.system_note,
            timeout_s=member.timeout_s,
        )
        for position, member in enumerate(spec.members)
    )
    pool.current = version
    pool.save(update_fields=["current"])
    return version


def _free_slug(team: Team, name: str) -> str:
    base = slugify(name)[:50] or "pool"
    taken = set(team.pools.filter(slug__startswith=base, deleted_at=None).values_list("slug", flat=True))
    return next(
        slug for slug in (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))) if slug not in taken
    )
