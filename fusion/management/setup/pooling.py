"""The pools of a set-up file."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from fusion.catalogue.available import models_of
from fusion.errors import InvalidInput
from fusion.management.setup.serving import team_called
from fusion.management.setup.tables import PoolTable, SeatTable
from fusion.models import Pool, Team, User
from fusion.models.team import Role
from fusion.runs.pool_changes import changes
from fusion.runs.pools import MemberSpec, PoolSpec, create_pool, save_pool, spec_of
from fusion.teams.rights import RUNNERS, role_in


def apply_pool(table: PoolTable) -> Iterator[str]:
    """Make or update a pool; tells each change. Raises InvalidInput, NotAllowed."""
    team = team_called(table.team)
    author, place = _author(table, team), f"{team.slug}/{table.slug}"
    pool = Pool.objects.filter(team=team, slug=table.slug, deleted_at=None).select_related("current", "team").first()
    spec = _spec(table, name=table.name or (table.slug if pool is None else pool.name))
    if pool is None:
        pool = create_pool(author=author, team=team, spec=spec)
        Pool.objects.filter(pk=pool.pk).update(slug=table.slug)  # the one it was made with comes from its name
        yield f"+ pool {place} ({len(spec.members)} members, {spec.mode})"
        return
    before = None if pool.current is None else spec_of(pool.current)
    told = [] if before is None else [*_outside_changes(before, spec), *changes(before, spec, models_of(team))]
    number = 0 if pool.current is None else pool.current.number
    version = save_pool(pool=pool, author=_editor(team), spec=spec)
    if version.number != number:
        told.append(f"version {version.number}")
    if table.owner is not None and pool.author_id != author.pk:
        Pool.objects.filter(pk=pool.pk).update(author=author)
        told.append(f"owner {author.email}")
    if told:
        yield f"~ pool {place}: {'; '.join(told)}"


def _outside_changes(before: PoolSpec, after: PoolSpec) -> Iterator[str]:
    for name in ("name", "visibility", "editors"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name} {old} → {new}"


def _author(table: PoolTable, team: Team) -> User:
    """Whose pool it is: the named person, who must be able to make pools there, or the team's first owner."""
    if table.owner is None:
        if table.visibility == "private":
            raise InvalidInput('A private pool needs to know whose it is: owner = "person@example.com".')
        return _editor(team)
    person: User | None = User.objects.people().filter(email__iexact=table.owner).first()
    if person is None or role_in(person, team) not in RUNNERS:
        raise InvalidInput(f"{table.owner} is nobody who may make pools in the team {team.slug}.")
    return person


def _editor(team: Team) -> User:
    memberships = team.memberships.filter(left_at=None, role=Role.OWNER, user__is_active=True).select_related("user")
    membership = memberships.order_by("joined_at", "pk").first()
    if membership is None:
        raise InvalidInput(f"The team {team.slug} has no owner who could have this pool.")
    return membership.user


def _spec(table: PoolTable, *, name: str) -> PoolSpec:
    members = tuple(_seat(one) for one in table.members)
    return PoolSpec(
        name=name,
        members=members,
        judge=table.judge,
        visibility=table.visibility,
        editors=table.editors,
        mode=table.mode,
        rubric=table.rubric,
        fallback_judges=tuple(table.fallback_judges),
        writer=table.writer,
        judge_instructions=table.judge_instructions,
        anchor=_anchor(table, members),
        quorum=table.quorum,
        grace_s=table.grace_s,
        panel_timeout_s=table.panel_timeout_s,
        judge_timeout_s=table.judge_timeout_s,
        debate_rounds=table.debate_rounds,
        on_quorum_missed=table.on_quorum_missed,
        on_judge_failure=table.on_judge_failure,
    )


def _seat(member: str | SeatTable) -> MemberSpec:
    if isinstance(member, str):
        return MemberSpec(member)
    temperature = None if member.temperature is None else Decimal(member.temperature)
    return MemberSpec(member.model, temperature, member.max_tokens, member.system_note, member.timeout_s)


def _anchor(table: PoolTable, members: tuple[MemberSpec, ...]) -> int:
    if table.anchor is None:
        return 0
    refs = [member.ref for member in members]
    if table.anchor not in refs:
        raise InvalidInput(f"The anchor “{table.anchor[:120]}” is not one of the members.", field="anchor")
    return refs.index(table.anchor)
