"""The fields of the pool editor: those of the rules, and those of one member."""

from __future__ import annotations

from django import forms

from fusion.catalogue.available import TeamModels
from fusion.models import Pool, PoolVersion
from fusion.models.pool import DEBATE_ROUNDS_MAX, MEMBERS_MAX, Mode, RubricKey
from fusion.runs.pools import MemberSpec
from fusion.web.forms.models import ModelRefField, ProblemField


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
    editors = forms.ChoiceField(
        label="Who may edit it", choices=Pool.Editors.choices, required=False, widget=forms.RadioSelect
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
    judge_timeout_s = forms.IntegerField(
        label="Judge's deadline (s)",
        required=False,
        min_value=5,
        max_value=3600,
        help_text="For each judge that is asked. Empty: the site's default.",
    )
    on_quorum_missed = forms.ChoiceField(
        label="When too few answer", choices=PoolVersion.OnQuorumMissed.choices, widget=forms.RadioSelect
    )
    on_judge_failure = forms.ChoiceField(
        label="When every judge fails", choices=PoolVersion.OnJudgeFailure.choices, widget=forms.RadioSelect
    )
