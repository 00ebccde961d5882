"""The pool editor: one form for the rules, one per member, and the buttons that add, remove and move members.

The buttons are submits of the same form, so they work without JavaScript and lose nothing that was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms
from django.forms.boundfield import BoundField, BoundWidget

from fusion.catalogue.available import TeamModels
from fusion.catalogue.entries import CatalogueEntry
from fusion.engine.rubrics import RUBRICS
from fusion.errors import InvalidInput
from fusion.models import Pool
from fusion.models.pool import MEMBERS_MAX, PoolMember
from fusion.runs.pool_facts import CriterionLine, criterion_lines
from fusion.runs.pools import MemberSpec, PoolSpec, Trouble, nearest
from fusion.web.forms.models import know_models
from fusion.web.forms.pool_fields import MemberForm, PoolForm

MEMBER_FIELDS = ("ref", "problem", "temperature", "max_tokens", "timeout_s", "system_note")
MODEL_FIELDS = ("judge", "fallback_judge_1", "fallback_judge_2", "writer")
ROWS_MAX = MEMBERS_MAX * 2  # what a hostile form may make us render
POSITIONS = frozenset(str(position) for position in range(ROWS_MAX))
_REF_NAME = re.compile(r"members-(\d{1,2})-ref")
Values = dict[str, Any]
_ACTION = re.compile(r"(add-member|remove|up|down)(?:-(\d{1,2}))?")
_USE = re.compile(r"use (members-\d-ref|judge|fallback_judge_[12]|writer) (.{1,255})")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One line of the summary on top of the form, with the id of the control that it is about."""

    control_id: str
    label: str
    message: str


@dataclass(frozen=True, slots=True)
class SeatTrouble:
    """What became of the model in a field, and the models that are most like it."""

    trouble: Trouble
    nearest: Sequence[CatalogueEntry]


@dataclass(frozen=True, slots=True)
class JudgingModel:
    """The field of the judge, of a fallback judge or of the writer as its template shows it."""

    field: BoundField
    problem: BoundField
    blank: str
    is_focused: bool
    trouble: SeatTrouble | None


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
    is_sought: bool
    is_tuned: bool
    trouble: SeatTrouble | None


class PoolEditor:
    """The pool form and its member forms as one thing.

    `rules` and `rows` are what stands in the form, `models` what its team can ask. `bound`: it was sent to be checked,
    so errors are shown. `moved`: the row that a button added or moved, which gets the focus; `focus`: the name of the
    field that does.
    """

    def __init__(
        self,
        rules: Values,
        rows: list[Values],
        *,
        models: TeamModels,
        bound: bool = False,
        moved: int | None = None,
        focus: str = "",
    ) -> None:
        self.rules, self.rows, self.bound, self.moved, self.models = rules, rows, bound, moved, models
        self.focus = focus
        self.begun_with: PoolSpec | None = None
        sent = rules | {f"members-{at}-{name}": value for at, row in enumerate(rows) for name, value in row.items()}
        checked = sent if bound else None
        self.form = _form(PoolForm, models, checked, rules)
        self.members = [_form(MemberForm, models, checked, row, f"members-{at}") for at, row in enumerate(rows)]
        self._valid: bool | None = None
        self.troubles: dict[str, SeatTrouble] = {}

    @classmethod
    def of_spec(cls, spec: PoolSpec, models: TeamModels, *, focus: str = "") -> PoolEditor:
        rules = {name: getattr(spec, name) for name in PoolForm.base_fields if hasattr(spec, name)}
        for name, ref in zip(MODEL_FIELDS, (spec.judge, *_fallbacks(spec), spec.writer), strict=True):
            rules[name], rules[f"{name}_problem"] = models.split_ref(ref)
        editor = cls(rules, [_row(member, models) for member in spec.members] or [{}], models=models, focus=focus)
        editor.begun_with = spec
        return editor

    @classmethod
    def of_post(
        cls, data: Mapping[str, Any], models: TeamModels, *, fixed: Mapping[str, str] | None = None
    ) -> PoolEditor:
        """What was sent, to be checked; rows are numbered anew, so that gaps in a form do no harm. `fixed`: what this
        person has no say in, whatever was sent."""
        rules, rows = _typed(data)
        return cls(rules | dict(fixed or {}), rows, models=models, bound=True)

    @classmethod
    def after_action(cls, data: Mapping[str, Any], models: TeamModels) -> PoolEditor:
        """What was sent, with members added, removed, moved or replaced as the pressed button says, and nothing
        complained of."""
        rules, rows = _typed(data)
        if (choice := _USE.fullmatch(data.get("do", ""))) is not None:
            return cls(*_use(rules, rows, choice[1], choice[2]), models=models, focus=choice[1])
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
        if rules.get("visibility") == Pool.Visibility.PRIVATE or not rules.get("editors"):
            rules["editors"] = Pool.Editors.AUTHOR  # nobody else sees a private one
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
        if self.begun_with is not None:
            return self.begun_with  # whole, with what cannot be asked any more
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
                is_sought=(at == self.moved and not values) or self.focus == f"members-{at}-ref",
                is_tuned=any(values.get(name) not in (None, "") for name in MEMBER_FIELDS[1:]),
                trouble=self.troubles.get(f"members-{at}-ref"),
            )

    def judging(self) -> Iterator[JudgingModel]:
        """The fields of the models that judge and write, with what their templates need."""
        for name, blank in zip(
            MODEL_FIELDS, ("No judge (one member only)", "None", "None", "The judge's model"), strict=True
        ):
            yield JudgingModel(
                self.form[name], self.form[f"{name}_problem"], blank, self.focus == name, self.troubles.get(name)
            )

    def mark(self, troubles: Iterable[Trouble]) -> None:
        """Take what became of the models, to be said beside the fields that name them, with what could be taken
        instead."""
        self.troubles = {one.field: SeatTrouble(one, nearest(one.ref, self.models)) for one in troubles}

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
    return _ACTION.fullmatch(do) is not None or _USE.fullmatch(do) is not None


def _use(rules: Values, rows: list[Values], field: str, ref: str) -> tuple[Values, list[Values]]:
    """The form with `ref` in that field; unchanged when there is no such field."""
    at = field.split("-")[1] if field.startswith("members-") else ""
    if at.isdigit() and int(at) < len(rows):
        rows[int(at)] |= {"ref": ref, "problem": ""}
    elif field in MODEL_FIELDS:
        rules |= {field: ref, f"{field}_problem": ""}
    return rules, rows


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
