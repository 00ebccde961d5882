"""The pool editor: one form for the rules, one per member, and the buttons that add, remove and move members.

The buttons are submits of the same form, so they work without JavaScript and lose nothing that was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms
from django.forms.boundfield import BoundField, BoundWidget

from fusion.catalogue.available import TeamModels
from fusion.engine.rubrics import RUBRICS
from fusion.errors import InvalidInput
from fusion.models import Pool, PoolVersion
from fusion.models.pool import DEBATE_ROUNDS_MAX, MEMBERS_MAX, Mode, PoolMember, RubricKey
from fusion.runs.pool_facts import CriterionLine, criterion_lines
from fusion.runs.pools import MemberSpec, PoolSpec
from fusion.web.forms.models import ModelRefField, ProblemField, know_models

MEMBER_FIELDS = ("ref", "problem", "temperature", "max_tokens", "timeout_s", "system_note")
MODEL_FIELDS = ("judge", "fallback_judge_1", "fallback_judge_2", "writer")
ROWS_MAX = MEMBERS_MAX * 2  # what a hostile form may make us render
POSITIONS = frozenset(str(position) for position in range(ROWS_MAX))
_REF_NAME = re.compile(r"members-(\d{1,2})-ref")
Values = dict[str, Any]
_ACTION = re.compile(r"(add-member|remove|up|down)(?:-(\d{1,2}))?")


class MemberForm(forms.Form):
    """One seat. Empty numbers mean the site's default."""

    ref = ModelRefField(label="Model", error_messages={"required": "Choose a model for this member, or remove it."})
    problem = ProblemField("member")
    temperature = forms.DecimalField(
        required=False, min_value=0, max_value=2, max_digits=3, decimal_places=2, help_text="0 to 2"
    )
    max_tokens = forms.IntegerField(label="Token limit", required=False, min_value=16, max_value=200_000)
    timeout_s = forms.IntegerField(label="Time limit (s)", required=False, min_value=5, max_value=3600)
    system_note = forms.CharField(
        label="System note",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Sent to this member before the question.",
    )

    def spec(self, models: TeamModels) -> MemberSpec:
        """The seat as typed; what makes no sense is left at its default."""
        cleaned = self.cleaned_data
        return MemberSpec(
            ref=models.join_ref(cleaned.get("ref", ""), cleaned.get("problem", "")),
            temperature=cleaned.get("temperature"),
            max_tokens=cleaned.get("max_tokens"),
            system_note=cleaned.get("system_note", ""),
            timeout_s=cleaned.get("timeout_s"),
        )


class PoolForm(forms.Form):
    """The rules that are not about one member. Empty numbers mean the site's default."""

    name = forms.CharField(max_length=80, error_messages={"required": "Give the pool a name."})
    visibility = forms.ChoiceField(
        label="Who may see and ask it", choices=Pool.Visibility.choices, widget=forms.RadioSelect
    )
    mode = forms.ChoiceField(choices=Mode.choices, widget=forms.RadioSelect)
    debate_rounds = forms.TypedChoiceField(
        label="Rounds of a debate",
        choices=[(number, f"{number} round{'s' * (number > 1)}") for number in range(1, DEBATE_ROUNDS_MAX + 1)],
        coerce=int,
        required=False,
        empty_value=None,
        widget=forms.RadioSelect,
        help_text="At most. A debate ends sooner when nothing moves any more.",
    )
    rubric = forms.ChoiceField(choices=RubricKey.choices, widget=forms.RadioSelect)
    judge = ModelRefField(required=False)
    judge_problem = ProblemField("judge")
    fallback_judge_1 = ModelRefField(label="First fallback judge", required=False)
    fallback_judge_1_problem = ProblemField("judge")
    fallback_judge_2 = ModelRefField(label="Second fallback judge", required=False)
    fallback_judge_2_problem = ProblemField("judge")
    writer = ModelRefField(
        required=False, help_text="Writes the final of a merge or a debate. Empty: the judge's model writes."
    )
    writer_problem = ProblemField("writer")
    judge_instructions = forms.CharField(
        label="Extra instructions for the judge",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    anchor = forms.IntegerField(required=False, min_value=0, max_value=MEMBERS_MAX - 1)
    quorum = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MEMBERS_MAX,
        help_text="Answers needed before judging may start. Empty: two thirds, at least two.",
    )
    grace_s = forms.IntegerField(
        label="Grace period (s)",
        required=False,
        min_value=0,
        max_value=300,
        help_text="How long to wait for the others then. Empty: half the time it took, 3 to 30 s.",
    )
    panel_timeout_s = forms.IntegerField(
        label="Panel deadline (s)", required=False, min_value=5, max_value=3600, help_text="Empty: the site's default."
    )
    on_quorum_missed = forms.ChoiceField(
        label="When too few answer", choices=PoolVersion.OnQuorumMissed.choices, widget=forms.RadioSelect
    )
    on_judge_failure = forms.ChoiceField(
        label="When every judge fails", choices=PoolVersion.OnJudgeFailure.choices, widget=forms.RadioSelect
    )


@dataclass(frozen=True, slots=True)
class FieldError:
    """One line of the summary on top of the form, with the id of the control that it is about."""

    control_id: str
    label: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One member of the editor as its template shows it."""

    position: int
    letter: str
    form: MemberForm
    is_anchor: bool
    is_first: bool
    is_last: bool
    is_moved: bool
    is_added: bool
    is_tuned: bool


class PoolEditor:
    """The pool form and its member forms as one thing.

    `rules` and `rows` are what stands in the form, `models` what its team can ask. `bound`: it was sent to be checked,
    so errors are shown. `moved`: the row that a button added or moved, which gets the focus.
    """

    def __init__(
        self, rules: Values, rows: list[Values], *, models: TeamModels, bound: bool = False, moved: int | None = None
    ) -> None:
        self.rules, self.rows, self.bound, self.moved, self.models = rules, rows, bound, moved, models
        sent = rules | {f"members-{at}-{name}": value for at, row in enumerate(rows) for name, value in row.items()}
        checked = sent if bound else None
        self.form = _form(PoolForm, models, checked, rules)
        self.members = [_form(MemberForm, models, checked, row, f"members-{at}") for at, row in enumerate(rows)]
        self._valid: bool | None = None

    @classmethod
    def of_spec(cls, spec: PoolSpec, models: TeamModels) -> PoolEditor:
        rules = {name: getattr(spec, name) for name in PoolForm.base_fields if hasattr(spec, name)}
        for name, ref in zip(MODEL_FIELDS, (spec.judge, *_fallbacks(spec), spec.writer), strict=True):
            rules[name], rules[f"{name}_problem"] = models.split_ref(ref)
        return cls(rules, [_row(member, models) for member in spec.members] or [{}], models=models)

    @classmethod
    def of_post(cls, data: Mapping[str, Any], models: TeamModels) -> PoolEditor:
        """What was sent, to be checked; rows are numbered anew, so that gaps in a form do no harm."""
        rules, rows = _typed(data)
        return cls(rules, rows, models=models, bound=True)

    @classmethod
    def after_action(cls, data: Mapping[str, Any], models: TeamModels) -> PoolEditor:
        """What was sent, with members added, removed or moved as the pressed button says, and nothing complained of."""
        rules, rows = _typed(data)
        order, moved = _act(data.get("do", ""), len(rows))
        anchor = str(rules.get("anchor", ""))
        position = int(anchor) if anchor in POSITIONS else 0
        rules["anchor"] = order.index(position) if position in order else 0
        rows = [{} if at is None else rows[at] for at in order]
        return cls(rules, rows or [{}], models=models, moved=moved)

    # --- checking

    def is_valid(self) -> bool:
        """Every form is checked once, so that all that is wrong is said at once."""
        if self._valid is None:
            self._valid = self._check()
        return self._valid

    def _check(self) -> bool:
        checks = [self.form.is_valid(), *[member.is_valid() for member in self.members]]
        if len(self.members) > MEMBERS_MAX:
            self.form.add_error(None, f"A pool has at most {MEMBERS_MAX} members; this one has {len(self.members)}.")
        elif not self.members:
            self.form.add_error(None, "A pool needs at least one member.")
        self._check_together()
        return all(checks) and self.form.is_valid()

    def _check_together(self) -> None:
        cleaned = self.form.cleaned_data
        if len(self.members) > 1 and "judge" in cleaned and not cleaned["judge"]:
            self.form.add_error("judge", "Choose a judge: two or more answers need one.")
        if (cleaned.get("quorum") or 0) > len(self.members):
            self.form.add_error("quorum", f"The quorum cannot be larger than the panel ({len(self.members)}).")
        if (cleaned.get("anchor") or 0) >= max(1, len(self.members)):
            self.form.add_error("anchor", "The anchor must be one of the members.")

    def refuse(self, error: InvalidInput) -> None:
        """Put a service's complaint beside the field that it names."""
        match = re.fullmatch(r"members-(\d)-(\w+)", error.field or "")
        if match and int(match[1]) < len(self.members):
            self.members[int(match[1])].add_error(match[2], error.message)
            return
        field = "fallback_judge_1" if error.field == "fallback_judges" else error.field
        self.form.add_error(field if field in self.form.fields else None, error.message)

    def errors(self) -> list[FieldError]:
        """Everything that is wrong, in the order of the page, with links to the controls."""
        lines = [FieldError("members", "Members", str(message)) for message in self.form.non_field_errors()]
        lines += _errors_of(self.form, self.form.visible_fields())
        for at, member in enumerate(self.members):
            letter = PoolMember.LETTERS[at] if at < MEMBERS_MAX else str(at + 1)
            lines += _errors_of(member, member.visible_fields(), prefix=f"Member {letter}, ")
        return lines

    # --- reading

    def spec(self) -> PoolSpec:
        """The rules as typed. Of a form that is not valid: the part of it that makes sense, for the preview."""
        cleaned = self.form.cleaned_data
        chosen = [member for member in self.members if member.cleaned_data.get("ref")][:MEMBERS_MAX]
        members = tuple(member.spec(self.models) for member in chosen)
        judge, first, second, writer = (
            self.models.join_ref(cleaned.get(name, ""), cleaned.get(f"{name}_problem", "")) for name in MODEL_FIELDS
        )
        taken = {"anchor", *MODEL_FIELDS, *(f"{name}_problem" for name in MODEL_FIELDS)}
        rules = {name: value for name, value in cleaned.items() if name not in taken and value is not None}
        return PoolSpec(
            members=members,
            judge=judge,
            fallback_judges=tuple(dict.fromkeys(ref for ref in (first, second) if ref)),
            writer=writer,
            anchor=min(cleaned.get("anchor") or 0, max(0, len(members) - 1)),
            **{"name": "", **rules},
        )

    def draft(self) -> PoolSpec:
        """What stands in the form now as rules, whether or not it was sent."""
        checked = self if self.bound else PoolEditor(self.rules, self.rows, models=self.models, bound=True)
        checked.is_valid()
        return checked.spec()

    def seats(self) -> Iterator[Row]:
        """The member forms with what their templates need."""
        anchor, last = str(self.rules.get("anchor") or 0), len(self.members) - 1
        for at, form in enumerate(self.members):
            letter = PoolMember.LETTERS[at] if at < MEMBERS_MAX else str(at + 1)
            values = self.rows[at]
            yield Row(
                position=at,
                letter=letter,
                form=form,
                is_anchor=str(at) == anchor,
                is_first=at == 0,
                is_last=at == last,
                is_moved=at == self.moved and bool(values),
                is_added=at == self.moved and not values,
                is_tuned=any(values.get(name) not in (None, "") for name in MEMBER_FIELDS[1:]),
            )

    def rubrics(self) -> Iterator[tuple[BoundWidget, list[CriterionLine]]]:
        """The radio of each rubric with what it judges by."""
        for radio in self.form["rubric"]:
            yield radio, criterion_lines(RUBRICS[str(radio.data["value"])])

    @property
    def is_full(self) -> bool:
        return len(self.members) >= MEMBERS_MAX


def _fallbacks(spec: PoolSpec) -> tuple[str, str]:
    first, second = (*spec.fallback_judges, "", "")[:2]
    return first, second


def _row(member: MemberSpec, models: TeamModels) -> Values:
    ref, problem = models.split_ref(member.ref)
    taken = {"ref": ref, "problem": problem}
    return taken | {name: getattr(member, name) for name in MEMBER_FIELDS if name not in taken}


FormT = TypeVar("FormT", bound=forms.Form)


def _form(
    kind: type[FormT], models: TeamModels, sent: Values | None, typed: Values, prefix: str | None = None
) -> FormT:
    form = kind(data=sent, initial=typed, prefix=prefix, use_required_attribute=False)
    know_models(form, models)
    return form


def _errors_of(form: forms.Form, fields: Iterable[BoundField], prefix: str = "") -> list[FieldError]:
    lines = []
    for field in fields:
        label = f"{prefix}{field.label}"
        lines += [FieldError(field.id_for_label or field.auto_id, label, str(message)) for message in field.errors]
    return lines


def _typed(data: Mapping[str, Any]) -> tuple[Values, list[Values]]:
    """The rules and the member rows as they were typed."""
    rules = {name: data[name] for name in PoolForm.base_fields if name in data}
    found = sorted(int(match[1]) for name in data if (match := _REF_NAME.fullmatch(name)))
    rows = [{name: data.get(f"members-{at}-{name}", "") for name in MEMBER_FIELDS} for at in found[:ROWS_MAX]]
    return rules, rows


def is_action(do: str) -> bool:
    """Whether a button changes the rows of the form rather than saving it."""
    return _ACTION.fullmatch(do) is not None


def _act(do: str, count: int) -> tuple[list[int | None], int | None]:
    """Old row numbers in their new order, None for a new row, and the row to give the focus to."""
    order: list[int | None] = list(range(count))
    match = _ACTION.fullmatch(do)
    if match is None:
        return order, None
    verb, at = match[1], int(match[2] or 0)
    if verb == "add-member":
        return (order, None) if count >= MEMBERS_MAX else ([*order, None], count)
    if at >= count:
        return order, None
    if verb == "remove":
        return order[:at] + order[at + 1 :], None
    other = at - 1 if verb == "up" else at + 1
    if 0 <= other < count:
        order[at], order[other] = order[other], order[at]
        return order, other
    return order, at
