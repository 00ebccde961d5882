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
from fusion.teams.audit import record_action
from fusion.teams.rights import require_pool_editor, require_pool_manager, require_runner


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
        editors=spec.editors,
        origin=origin,
    )
    _write_version(pool, author=author, spec=spec, number=1, payers=payers_of(spec, models))
    if not origin:
        _record("pool.create", pool, author, after=_without_private_name(_told(pool)))
    return pool


@transaction.atomic
def save_pool(*, pool: Pool, author: User, spec: PoolSpec) -> PoolVersion:
    """Write the next version, unless the rules are as they were. Raises InvalidInput, NotAllowed."""
    require_pool_editor(author, pool)
    _check_reach(pool, author, spec)
    models = models_of(pool.team)
    check_spec(spec, models)
    pool = Pool.objects.select_for_update().get(pk=pool.pk)
    before, current = _told(pool), pool.current
    pool.name, pool.visibility, pool.editors = spec.name.strip(), spec.visibility, spec.editors
    pool.save(update_fields=["name", "visibility", "editors"])
    version = _next_version(pool, current, author=author, spec=replace(spec, name=pool.name), models=models)
    if before != (after := _told(pool)):
        _record("pool.change", pool, author, before=_without_private_name(before), after=_without_private_name(after))
    return version


def _next_version(
    pool: Pool, current: PoolVersion | None, *, author: User, spec: PoolSpec, models: TeamModels
) -> PoolVersion:
    """The current version where it says the same and the same connections are meant, else a new one."""
    payers = payers_of(spec, models)
    if current is None:
        return _write_version(pool, author=author, spec=spec, number=1, payers=payers)
    if spec_of(current) == spec and _same_payers(current, payers, models):
        return current
    return _write_version(pool, author=author, spec=spec, number=current.number + 1, payers=payers)


def _same_payers(version: PoolVersion, payers: dict[str, str], models: TeamModels) -> bool:
    """Whether the version may go on as it is; one that has lost the team's own connection needs a new one."""
    lost = (models.why_not_paid(slug, payers=version.payers, since=version.created_at) for slug in payers)
    return version.payers == payers and not any(lost)


def _check_reach(pool: Pool, person: User, spec: PoolSpec) -> None:
    """Who sees and edits a pool is up to its author and the admins; only its author takes it away from the others."""
    if (spec.visibility, spec.editors) != (pool.visibility, pool.editors):
        require_pool_manager(person, pool)
    becomes_private = spec.visibility == Pool.Visibility.PRIVATE and pool.visibility != spec.visibility
    if becomes_private and pool.author_id != person.pk:
        raise InvalidInput(
            f"Only its author, {pool.author.get_short_name()}, can make this pool private: nobody else would see it.",
            field="visibility",
        )


@transaction.atomic
def restore_version(*, version: PoolVersion, author: User) -> PoolVersion:
    """Write the rules of an earlier version as the next one; the pool's name and reach stay. Raises as saving does."""
    pool = Pool.objects.get(pk=version.pool_id)
    return save_pool(pool=pool, author=author, spec=spec_of(version))


def duplicate_pool(*, pool: Pool, author: User, team: Team | None = None) -> Pool:
    """Copy a pool's current rules into a new pool that belongs to `author`, in the same team unless one is named.

    Raises InvalidInput, NotAllowed; what the rules name has to exist in that team too.
    """
    return create_pool(author=author, team=team or pool.team, spec=spec_of_copy(pool))


def spec_of_copy(pool: Pool) -> PoolSpec:
    """The rules that a copy starts from: those of the pool, under another name. Raises InvalidInput."""
    if pool.current is None:
        raise InvalidInput("This pool has no version to copy.")
    spec = spec_of(pool.current)
    return replace(spec, name=f"{spec.name[:70]} (copy)")


@transaction.atomic
def delete_pool(*, pool: Pool, person: User) -> None:
    """Take a pool out of every list; its versions stay, because runs point at them. Raises NotAllowed."""
    require_pool_manager(person, pool)
    if Pool.objects.filter(pk=pool.pk, deleted_at=None).update(deleted_at=timezone.now()):
        _record("pool.delete", pool, person, before=_without_private_name(_told(pool)))


def _told(pool: Pool) -> dict[str, object]:
    """What the audit log keeps of a pool: the rules themselves are in its versions."""
    number = pool.current.number if pool.current is not None else None
    return {"name": pool.name, "visibility": pool.visibility, "editors": pool.editors, "version": number}


def _without_private_name(told: dict[str, object]) -> dict[str, object]:
    """The team's admins read the log, and a private pool does not exist for them."""
    is_private = told["visibility"] == Pool.Visibility.PRIVATE
    return {name: value for name, value in told.items() if name != "name" or not is_private}


def _record(action: str, pool: Pool, person: User, **changes: dict[str, object]) -> None:
    name = "a private pool" if pool.visibility == Pool.Visibility.PRIVATE else pool.name
    target = f"pool:{pool.public_id}"
    record_action(action, actor=person, team=pool.team, target=target, target_name=name, **changes)


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
        judge_timeout_s=spec.judge_timeout_s,
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
