"""The filters above the audit log."""

from __future__ import annotations

from django import forms

from fusion.models import AuditEvent, Membership, Team, User
from fusion.web.shown.audit import action_words


class ActorChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """People of the team by their membership's public id; those who left are marked."""

    def label_from_instance(self, obj: Membership) -> str:
        name = obj.user.get_short_name()
        return name if obj.left_at is None else f"{name} (left)"


class AuditForm(forms.Form):
    """Both optional; a filter that makes no sense is ignored."""

    person = ActorChoice(
        queryset=Membership.objects.none(), required=False, to_field_name="public_id", empty_label="Everybody"
    )
    action = forms.ChoiceField(required=False, label="What")

    def __init__(self, data: object, *, team: Team) -> None:
        super().__init__(data, auto_id="audit-%s", use_required_attribute=False)  # type: ignore[arg-type]
        person, action = self.fields["person"], self.fields["action"]
        assert isinstance(person, forms.ModelChoiceField) and isinstance(action, forms.ChoiceField)
        person.queryset = Membership.objects.filter(team=team).select_related("user").order_by("user__name", "pk")
        known = AuditEvent.objects.filter(team=team).order_by("action").values_list("action", flat=True).distinct()
        action.choices = [("", "Everything"), *((one, action_words(one).capitalize()) for one in known)]
        self.is_valid()

    @property
    def actor(self) -> User | None:
        member = self.cleaned_data.get("person")
        return member.user if isinstance(member, Membership) else None

    @property
    def chosen_action(self) -> str:
        return str(self.cleaned_data.get("action", ""))

    @property
    def is_filtering(self) -> bool:
        return self.actor is not None or bool(self.chosen_action)
