"""Where sealed secrets stand: in columns of our tables, and inside what django-allauth keeps of an authenticator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from allauth.mfa.models import Authenticator
from django.db import models

from fusion.models.sealing import SealedField, sealed_columns, unseal
from fusion.teams.second_factor import OWNER, SECRET_OF, sealed_secret


class SealedPlace(Protocol):
    """One kind of place. `replace` and `forget` change a row only while it is as it was read, and say if they did."""

    @property
    def name(self) -> str: ...

    def keys(self) -> list[Any]: ...

    def rows(self, keys: list[Any]) -> Iterator[Any]: ...

    def told(self, row: Any) -> str:
        """What to call it, for people."""

    def sealed(self, row: Any) -> str: ...

    def open(self, row: Any) -> str:
        """Raises SecretUnreadable."""

    def replace(self, row: Any, sealed: str) -> bool: ...

    def forget(self, row: Any) -> bool: ...


def sealed_places() -> Iterator[SealedPlace]:
    """Every place in every table."""
    for model, column in sealed_columns():
        yield SealedColumn(model, column)
    yield SealedAuthenticators()


class SealedColumn:
    """A column of one of our tables; a secret that is forgotten leaves its row."""

    def __init__(self, model: type[models.Model], column: SealedField) -> None:
        self._model, self._column = model, column
        self.name = f"{model._meta.object_name}.{column.name}"

    def keys(self) -> list[Any]:
        filled = self._model._base_manager.exclude(**{self._column.attname: ""})
        return list(filled.order_by("pk").values_list("pk", flat=True))

    def rows(self, keys: list[Any]) -> Iterator[Any]:
        return self._model._base_manager.filter(pk__in=keys).order_by("pk").iterator()

    def told(self, row: Any) -> str:
        return str(row)

    def sealed(self, row: Any) -> str:
        return str(getattr(row, self._column.attname))

    def open(self, row: Any) -> str:
        return self._column.unseal_in(row)

    def replace(self, row: Any, sealed: str) -> bool:
        return self._change(row, {self._column.attname: sealed})

    def forget(self, row: Any) -> bool:
        return self._change(row, {self._column.attname: "", **({self._column.hint: ""} if self._column.hint else {})})

    def _change(self, row: Any, changes: dict[str, str]) -> bool:
        as_it_was = self._model._base_manager.filter(**{"pk": row.pk, self._column.attname: self.sealed(row)})
        return bool(as_it_was.update(**changes))


class SealedAuthenticators:
    """Second factors; one that cannot be opened works for nobody, so forgetting it takes it away."""

    name = "Authenticator.data"

    def keys(self) -> list[Any]:
        return list(Authenticator.objects.filter(type__in=SECRET_OF).order_by("pk").values_list("pk", flat=True))

    def rows(self, keys: list[Any]) -> Iterator[Any]:
        yield from Authenticator.objects.filter(pk__in=keys).select_related("user").order_by("pk")

    def told(self, row: Any) -> str:
        return f"{row} of {row.user.get_short_name()}"

    def sealed(self, row: Any) -> str:
        return sealed_secret(row)

    def open(self, row: Any) -> str:
        return unseal(sealed_secret(row), owner=OWNER)

    def replace(self, row: Any, sealed: str) -> bool:
        return bool(self._as_it_was(row).update(data={**row.data, SECRET_OF[row.type]: sealed}))

    def forget(self, row: Any) -> bool:
        return bool(self._as_it_was(row).delete()[0])

    def _as_it_was(self, row: Any) -> models.QuerySet[Any]:
        found: models.QuerySet[Any] = Authenticator.objects.filter(pk=row.pk, data=row.data)
        return found
