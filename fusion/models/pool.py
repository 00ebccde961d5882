"""Pools: a saved panel with its judge, mode and rules; runs point at one immutable version of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from fusion.models.user import User

MEMBERS_MAX = 8
FALLBACK_JUDGES_MAX = 2
DEBATE_ROUNDS_MAX = 3


class Mode(models.TextChoices):
    BEST_OF = "best-of", "Best-of"
    MERGE = "merge", "Merge"
    DEBATE = "debate", "Debate"


class RubricKey(models.TextChoices):
    GENERAL = "general", "General"
    CODE_REVIEW = "code-review", "Code review"
    RESEARCH = "research", "Research"
    REASONING = "reasoning", "Reasoning"
    CREATIVE = "creative", "Creative brief"


class PoolQuerySet(models.QuerySet["Pool"]):
    def visible_to(self, user: User | AnonymousUser) -> PoolQuerySet:
        """Pools of the person's teams that are not deleted; private ones only for their author."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(
            Q(visibility=Pool.Visibility.TEAM) | Q(author=user),
            team__memberships__user=user,
            team__memberships__left_at=None,
            team__deleted_at=None,
            deleted_at=None,
        )


class Pool(models.Model):
    """A named pool of a team. `current` is the version that new runs use. `origin` names the connection that a
    default pool was made for, so that it is made once; deleting keeps the row, because runs point at its versions.

    `editors` is about the rules: who may see it, who may edit it and whether it stays is up to author and admins."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", "Only me"
        TEAM = "team", "My team"

    class Editors(models.TextChoices):
        AUTHOR = "author", "Its author and the team's admins"
        MEMBERS = "members", "Every member of the team"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey("fusion.Team", on_delete=models.CASCADE, related_name="pools")
    author = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="pools")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=80)
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.TEAM)
    editors = models.CharField(
        "who may edit", max_length=10, choices=Editors.choices, default=Editors.AUTHOR, db_default=Editors.AUTHOR
    )
    origin = models.CharField(max_length=80, blank=True, editable=False)
    current = models.ForeignKey(
        "fusion.PoolVersion", on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PoolQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=("team", "slug"), condition=Q(deleted_at=None), name="pool_slug_unique_in_team"
            ),
            models.UniqueConstraint(
                fields=("team", "origin"), condition=~Q(origin=""), name="pool_default_once_per_team"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PoolVersion(models.Model):
    """The frozen rules of a pool at one time; never updated, superseded by the next number.

    `judge`, `writer` and `fallback_judges` are refs (`connection:model-id`); an empty writer means the judge writes.
    `anchor` is a member's position. `debate_rounds` is how many rounds a debate may have. `quorum` None means two
    thirds, at least two. Times are seconds. `payers`: {slug: `team` or `site`}, whose connection each slug meant when
    this was saved; one that was the team's never becomes the site's by itself.
    """

    class OnQuorumMissed(models.TextChoices):
        JUDGE = "judge", "Judge what is there"
        STOP = "stop", "Stop and ask me"

    class OnJudgeFailure(models.TextChoices):
        NONE = "none", "Show the answers without a verdict"
        ANCHOR = "anchor", "Ship the anchor's answer, labelled"

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    author = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.BEST_OF)
    rubric = models.CharField(max_length=20, choices=RubricKey.choices, default=RubricKey.GENERAL)
    judge = models.CharField(max_length=255, blank=True)
    fallback_judges = models.JSONField(default=list, blank=True)
    writer = models.CharField(max_length=255, blank=True)
    judge_instructions = models.TextField(max_length=4000, blank=True)
    anchor = models.PositiveSmallIntegerField(default=0)
    quorum = models.PositiveSmallIntegerField(null=True, blank=True)
    grace_s = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(300)])
    panel_timeout_s = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(5), MaxValueValidator(3600)]
    )
    judge_timeout_s = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(5), MaxValueValidator(3600)]
    )
    debate_rounds = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(DEBATE_ROUNDS_MAX)]
    )
    on_quorum_missed = models.CharField(max_length=10, choices=OnQuorumMissed.choices, default=OnQuorumMissed.JUDGE)
    on_judge_failure = models.CharField(max_length=10, choices=OnJudgeFailure.choices, default=OnJudgeFailure.NONE)
    payers = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        ordering = ("pool", "-number")
        constraints = [models.UniqueConstraint(fields=("pool", "number"), name="pool_version_number_once")]

    def __str__(self) -> str:
        return f"{self.pool.name} v{self.number}"


class PoolMember(models.Model):
    """One seat of a version. `ref` is `connection:model-id`; the same ref may sit twice (self-fusion)."""

    version = models.ForeignKey(PoolVersion, on_delete=models.CASCADE, related_name="members")
    position = models.PositiveSmallIntegerField(validators=[MaxValueValidator(MEMBERS_MAX - 1)])
    ref = models.CharField(max_length=255)
    temperature = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(2)]
    )
    max_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(16), MaxValueValidator(200_000)]
    )
    system_note = models.TextField(max_length=4000, blank=True)
    timeout_s = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(5), MaxValueValidator(3600)]
    )

    LETTERS: ClassVar[str] = "ABCDEFGH"

    class Meta:
        ordering = ("version", "position")
        constraints = [models.UniqueConstraint(fields=("version", "position"), name="pool_member_position_once")]

    def __str__(self) -> str:
        return f"{self.letter} {self.ref}"

    @property
    def letter(self) -> str:
        return self.LETTERS[self.position]
