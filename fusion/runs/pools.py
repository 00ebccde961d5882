"""Pools: making, changing, copying, deleting them, and what a pool will do before it is asked.

A pool's rules live in immutable versions; saving writes the next one and points the pool at it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.text import slugify

from fusion.catalogue.available import TeamModels, models_of, models_of_environment
from fusion.catalogue.sources import Source
from fusion.engine.judge import SITTING_REQUESTS_MAX
from fusion.engine.prompts import judge_prompt_preview
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import Message
from fusion.errors import InvalidInput
from fusion.models import Pool, PoolMember, PoolVersion, Team, User
from fusion.models.pool import DEBATE_ROUNDS_MAX, FALLBACK_JUDGES_MAX, MEMBERS_MAX, Mode
from fusion.providers.recommendation import recommend
from fusion.providers.simulated import SIMULATED_POOL
from fusion.teams.rights import require_pool_editor, require_runner

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One seat as a person writes it down; None means the site's default."""

    ref: str
    temperature: Decimal | None = None
    max_tokens: int | None = None
    system_note: str = ""
    timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """All that a pool editor holds. `anchor` is a member's position; an empty `writer` means the judge writes."""

    name: str
    members: tuple[MemberSpec, ...]
    judge: str = ""
    visibility: str = Pool.Visibility.TEAM
    mode: str = Mode.BEST_OF
    rubric: str = "general"
    fallback_judges: tuple[str, ...] = ()
    writer: str = ""
    judge_instructions: str = ""
    anchor: int = 0
    quorum: int | None = None
    grace_s: int | None = None
    panel_timeout_s: int | None = None
    debate_rounds: int = 1
    on_quorum_missed: str = PoolVersion.OnQuorumMissed.JUDGE
    on_judge_failure: str = PoolVersion.OnJudgeFailure.NONE


@dataclass(frozen=True, slots=True)
class PoolWarning:
    """Something worth knowing before a pool is asked; never a reason to refuse."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The upstream requests of one run when all goes well: at least `total_min`, and `total_debated` when there is
    something to debate in every round; `total_max` with every retry that may happen.
    """

    members: int
    judge: int
    writer: int
    fallbacks: int = 0
    rounds: int = 0

    @property
    def rebuttals(self) -> int:
        return self.members * self.rounds

    @property
    def ruling(self) -> int:
        return int(self.rounds > 0)

    @property
    def total_min(self) -> int:
        return self.members + self.judge + self.writer

    @property
    def total_debated(self) -> int:
        return self.total_min + self.rebuttals + self.ruling

    @property
    def total_max(self) -> int:
        """Members and writer are asked again once, a rebuttal also to mend it; each judge has its requests.

        One of the judges may judge twice, and a ruling may go through all of them once more.
        """
        sittings = self.judge * (1 + self.fallbacks + 1) + self.ruling * (1 + self.fallbacks)
        return 2 * (self.members + self.writer) + 3 * self.rebuttals + sittings * SITTING_REQUESTS_MAX

    @property
    def words(self) -> str:
        """How many, when all goes well: `5`, or `5 to 9` where it depends on what the answers disagree about."""
        return str(self.total_min) if not self.rounds else f"{self.total_min} to {self.total_debated}"


# --- writing -------------------------------------------------------------------------------------


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
    if current is not None and spec_of(current) == replace(spec, name=pool.name) and current.payers == payers:
        return current
    number = 1 if current is None else current.number + 1
    return _write_version(pool, author=author, spec=spec, number=number, payers=payers)


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


# --- checking ------------------------------------------------------------------------------------


def check_spec(spec: PoolSpec, models: TeamModels) -> None:
    """Raises InvalidInput, naming the field, unless the rules can be run with these models."""
    if not spec.name.strip():
        raise InvalidInput("Give the pool a name.", field="name")
    if not 1 <= len(spec.members) <= MEMBERS_MAX:
        raise InvalidInput(f"A pool has 1 to {MEMBERS_MAX} members.", field="members")
    if not 0 <= spec.anchor < len(spec.members):
        raise InvalidInput("The anchor must be one of the members.", field="anchor")
    if len(spec.members) > 1 and not spec.judge:
        raise InvalidInput("Choose a judge: two or more answers need one.", field="judge")
    if len(spec.fallback_judges) > FALLBACK_JUDGES_MAX:
        raise InvalidInput(f"At most {FALLBACK_JUDGES_MAX} fallback judges.", field="fallback_judges")
    if spec.quorum is not None and not 1 <= spec.quorum <= len(spec.members):
        raise InvalidInput("The quorum must lie between 1 and the number of members.", field="quorum")
    if not 1 <= spec.debate_rounds <= DEBATE_ROUNDS_MAX:
        raise InvalidInput(f"A debate has 1 to {DEBATE_ROUNDS_MAX} rounds.", field="debate_rounds")
    if spec.rubric not in RUBRICS:
        raise InvalidInput("Choose one of the rubrics.", field="rubric")
    _check_refs(spec, models)


def _check_refs(spec: PoolSpec, models: TeamModels) -> None:
    for field, ref in _named_refs(spec):
        if ref and (reason := models.why_not(ref)):
            raise InvalidInput(f"“{ref[:120]}” cannot be asked here. {reason}", field=field)
    if any(not member.ref for member in spec.members):
        raise InvalidInput("Choose a model for every member.", field="members")


def _named_refs(spec: PoolSpec) -> list[tuple[str, str]]:
    """Every model that the rules name, with the field that names it."""
    named = [(f"members-{position}-ref", member.ref) for position, member in enumerate(spec.members)]
    named += [("judge", spec.judge), ("writer", spec.writer)]
    return named + [("fallback_judges", ref) for ref in spec.fallback_judges]


def payers_of(spec: PoolSpec, models: TeamModels) -> dict[str, str]:
    """Whose connection each slug in the rules means now: {slug: `team` or `site`}."""
    slugs = sorted({ref.partition(":")[0] for _, ref in _named_refs(spec) if ref})
    return {slug: payer for slug in slugs if (payer := models.payer_of(slug))}


def pool_warnings(spec: PoolSpec, models: TeamModels) -> list[PoolWarning]:
    """What a careful colleague would point out about these rules."""
    warnings = [*_judging_warnings(spec, models), *_model_warnings(spec, models)]
    if len(spec.members) == 1:
        warnings.append(PoolWarning("single", "One member: its answer is the final, nothing is judged."))
    return warnings


def _judging_warnings(spec: PoolSpec, known: TeamModels) -> list[PoolWarning]:
    refs = [member.ref for member in spec.members]
    models = {known.split_ref(ref)[0] for ref in refs}
    warnings = []
    if len(refs) > 1 and known.split_ref(spec.judge)[0] in models:
        warnings.append(
            PoolWarning(
                "judge_on_panel",
                "The judge also sits on the panel. Answers are anonymous to it, but judges tend to prefer their own.",
            )
        )
    elif len(refs) > 1 and (family := _family(spec.judge, known)) and family in {_family(ref, known) for ref in refs}:
        warnings.append(PoolWarning("judge_in_family", f"The judge is of the same family as a member ({family})."))
    if len(refs) > 1 and not spec.fallback_judges:
        warnings.append(PoolWarning("no_fallback", "No fallback judge: if the judge fails, the run stays unjudged."))
    return warnings


def _model_warnings(spec: PoolSpec, models: TeamModels) -> list[PoolWarning]:
    refs = [member.ref for member in spec.members if member.ref]
    warnings = []
    families = {_family(ref, models) for ref in refs}
    if len(refs) > 1 and len(set(refs)) > 1 and len(families) == 1 and "" not in families:
        warnings.append(
            PoolWarning("one_family", "All members are of one family: they tend to make the same mistakes.")
        )
    for ref in dict.fromkeys([*refs, spec.judge]):
        known = models.entry(ref) if ref else None
        if known is not None and not known.listed:
            warnings.append(PoolWarning("unlisted", f"{known.provider} does not list “{known.model_id[:80]}”."))
    return warnings


def _family(ref: str, models: TeamModels) -> str:
    known = models.entry(ref) if ref else None
    return known.family if known is not None else ""


# --- reading -------------------------------------------------------------------------------------


def spec_of(version: PoolVersion) -> PoolSpec:
    """A stored version as a spec again."""
    members = tuple(
        MemberSpec(seat.ref, seat.temperature, seat.max_tokens, seat.system_note, seat.timeout_s)
        for seat in version.members.all()
    )
    return PoolSpec(
        name=version.pool.name,
        members=members,
        judge=version.judge,
        visibility=version.pool.visibility,
        mode=version.mode,
        rubric=version.rubric,
        fallback_judges=tuple(version.fallback_judges),
        writer=version.writer,
        judge_instructions=version.judge_instructions,
        anchor=version.anchor,
        quorum=version.quorum,
        grace_s=version.grace_s,
        panel_timeout_s=version.panel_timeout_s,
        debate_rounds=version.debate_rounds,
        on_quorum_missed=version.on_quorum_missed,
        on_judge_failure=version.on_judge_failure,
    )


def planned_calls(spec: PoolSpec, mode: str | None = None) -> CallPlan:
    """How many upstream requests one run makes: N members, one verdict, one writing in merge mode.

    A debate asks each member once more in every round, and the judge for a ruling, if the verdict leaves a dispute.
    """
    judged, mode = len(spec.members) > 1, mode or spec.mode
    return CallPlan(
        members=len(spec.members),
        judge=int(judged),
        writer=int(judged and mode != Mode.BEST_OF),
        fallbacks=len(spec.fallback_judges),
        rounds=spec.debate_rounds if judged and mode == Mode.DEBATE else 0,
    )


def judge_preview(spec: PoolSpec) -> tuple[Message, ...]:
    """The exact messages that the judge would get, with sample answers."""
    return judge_prompt_preview(RUBRICS[spec.rubric], spec.judge_instructions, max(2, len(spec.members)))


# --- default pools -------------------------------------------------------------------------------


def add_default_pools(*, team: Team) -> list[Pool]:
    """Make the team a pool for each connection whose models are known and that never had one in this team.

    A default pool that somebody deleted does not come back: its row, with its origin, is still there.
    """
    return _add_pools(team, default_specs())


def add_default_pools_everywhere() -> None:
    """`add_default_pools` for every team that lacks one; what is recommended is worked out once."""
    specs = default_specs()
    complete = Pool.objects.filter(origin__in=[slug for slug, _ in specs]).values("team")
    counted = complete.annotate(made=Count("pk")).filter(made=len(specs)).values("team")
    for team in Team.objects.exclude(pk__in=counted):
        _add_pools(team, specs)


def _add_pools(team: Team, specs: list[tuple[str, PoolSpec]]) -> list[Pool]:
    author = _pool_author(team)
    if author is None:
        return []
    seen = set(team.pools.exclude(origin="").values_list("origin", flat=True))
    made = (_add_pool(team, author, slug, spec) for slug, spec in specs if slug not in seen)
    return [pool for pool in made if pool is not None]


def _add_pool(team: Team, author: User, slug: str, spec: PoolSpec) -> Pool | None:
    """None when it cannot be made; whoever signs in or starts the server must not fail for that."""
    try:
        return create_pool(author=author, team=team, spec=spec, origin=slug)
    except IntegrityError:
        return None  # another process has just made it
    except InvalidInput as exc:
        log.warning("No default pool for %s in %s: %s", slug, team.slug, exc.message)
        return None


def default_specs() -> list[tuple[str, PoolSpec]]:
    """A recommended pool for each connection of the environment whose models are known: (connection slug, rules)."""
    models = models_of_environment()
    choices = ((source, _recommended(source, models)) for source in models.connections())
    return [(source.slug, _default_spec(source, *ids)) for source, ids in choices if ids is not None]


def _recommended(source: Source, models: TeamModels) -> tuple[list[str], str] | None:
    """Model ids of the members and the judge; None while nothing is known to exist there."""
    if source.is_simulated:
        return list(SIMULATED_POOL.members), SIMULATED_POOL.judge
    choice = recommend(source.made.preset, models.listed_at(source.slug))
    if choice.judge is None:
        return None
    return [model.model_id for model in choice.members], choice.judge.model_id


def _default_spec(source: Source, members: list[str], judge: str) -> PoolSpec:
    """Any member that is not the judge may step in when the judge fails.

    A panel of one has nothing to fuse: a connection's only model sits twice, since two samples of it differ too.
    """
    if len(members) == 1:
        members = members * 2
    fallbacks = [model_id for model_id in members if model_id != judge][:FALLBACK_JUDGES_MAX]
    return PoolSpec(
        name=f"{source.made.label} panel"[:80],
        members=tuple(MemberSpec(f"{source.slug}:{model_id}") for model_id in members),
        judge=f"{source.slug}:{judge}",
        fallback_judges=tuple(f"{source.slug}:{model_id}" for model_id in fallbacks),
        mode=Mode.MERGE,
    )


def _pool_author(team: Team) -> User | None:
    membership = team.memberships.filter(left_at=None, role="owner").select_related("user").first()
    return None if membership is None else membership.user
