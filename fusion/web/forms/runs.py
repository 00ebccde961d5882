"""The composer: one question, a pool, a mode."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django import forms

from fusion.errors import FusionError, InvalidInput
from fusion.models import Pool, Run, User
from fusion.models.pool import Mode
from fusion.models.run import BlindMembers
from fusion.runs.selectors import visible_pools
from fusion.runs.services import check_prompt
from fusion.web.uploads import SentImages

_KEY = re.compile(r"[\w-]{1,64}", re.ASCII)


class PoolField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """A pool by its public id; whatever else was sent stands for no pool."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError as exc:
            gone = "This pool is not there any more. Choose another one."
            raise forms.ValidationError(gone, code="invalid_choice") from exc


class RunForm(forms.Form):
    """Offers only pools that this person may ask; what was typed stays in it whatever is wrong."""

    prompt = forms.CharField(strip=False, required=False, widget=forms.Textarea)
    pool = PoolField(
        queryset=Pool.objects.none(), to_field_name="public_id", error_messages={"required": "Choose a pool first."}
    )
    mode = forms.ChoiceField(
        choices=Mode.choices, required=False, error_messages={"invalid_choice": "Choose one of the modes."}
    )
    private = forms.BooleanField(required=False)
    blind_members = forms.ChoiceField(
        choices=BlindMembers.choices,
        required=False,
        error_messages={"invalid_choice": "Choose what becomes of members that cannot see."},
    )
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        user: User,
        initial: dict[str, Any] | None = None,
        sent: SentImages | None = None,
    ) -> None:
        """`sent`: the images that come with the question."""
        super().__init__(data, initial=initial, auto_id="ask-%s")
        self._user = user
        self.sent = sent or SentImages()
        pool = self.fields["pool"]
        assert isinstance(pool, forms.ModelChoiceField)
        pool.queryset = visible_pools(user)
        # The service says more clearly what to do about a NUL than the field's own validator.
        self.fields["prompt"].validators = []
        # Nobody can correct a field that is not shown: a key that is none is replaced.
        self.fields["idempotency_key"].validators = []

    def clean_prompt(self) -> str:
        """Line ends as every model expects them: browsers send forms with CRLF."""
        prompt: str = self.cleaned_data["prompt"].replace("\r\n", "\n")
        try:
            check_prompt(prompt)
        except InvalidInput as exc:
            raise forms.ValidationError(exc.message, code=exc.code) from exc
        return prompt

    def clean_idempotency_key(self) -> str:
        """A form sent by hand has no key, or none of ours; it counts as a new question."""
        key: str = self.cleaned_data["idempotency_key"]
        return key if _KEY.fullmatch(key) else new_key()

    def clean(self) -> dict[str, Any]:
        """A key stands for one question: a form that was opened again and changed asks anew."""
        data = self.cleaned_data
        data["blind_members"] = data.get("blind_members") or BlindMembers.TELL
        for problem in self.sent.problems:
            self.add_error(None, problem)
        earlier = Run.objects.filter(author=self._user, idempotency_key=data.get("idempotency_key", "")).first()
        if earlier is not None and data.get("pool") is not None and not self._asks(earlier, data):
            data["idempotency_key"] = new_key()
        return data

    def _asks(self, run: Run, data: dict[str, Any]) -> bool:
        """Whether the form asks what the run asked."""
        same = (run.prompt, run.pool_version.pool_id) == (data.get("prompt"), data["pool"].pk)
        shown = list(run.images.values_list("sha256", flat=True))
        images = [image.sha256 for image in self.sent.images]
        blind = not images or run.blind_members == data["blind_members"]
        return same and blind and images == shown and (data.get("mode") or run.mode) == run.mode

    def add_failure(self, failure: FusionError) -> None:
        """Put a service's refusal where the person can see what to change."""
        field = failure.field if isinstance(failure, InvalidInput) and failure.field in self.fields else None
        self.add_error(field, failure.message)


def new_key() -> str:
    """A key under which one question is asked once, however often it is sent."""
    return uuid.uuid4().hex
