"""What people change by hand: it is theirs until they let it go, everybody sees it, and it is written down."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.catalogue import stored
from fusion.catalogue.available import models_of
from fusion.catalogue.edits import (
    ModelFacts,
    TypedPrice,
    add_model,
    edit_model,
    is_hand_made,
    may_edit_models,
    price_history,
    remove_model,
    set_price,
    take_listed_fact,
    take_listed_price,
)
from fusion.catalogue.sources import Source, sources_from_settings
from fusion.errors import InvalidInput, NotAllowed
from fusion.models import AuditEvent, ModelEntry, PriceVersion, Team, User
from fusion.models.team import Role
from fusion.providers.catalogue import ModelInfo, Price
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PRICED = TypedPrice("priced", "0.50", "1.50")
LISTED = Price(2_000_000, 4_000_000)


def listed(source: Source, *infos: ModelInfo) -> stored.ListChanges:
    return stored.store_list(source, infos)


def row_of(source: Source, model_id: str = "m") -> ModelEntry:
    return ModelEntry.objects.get(stored.rows_of(source), model_id=model_id)


def test_a_model_that_is_added_can_be_asked_under_exactly_that_id(alice: User, team: Team, lab: Source) -> None:
    strange = "weird/ modèl:8b?x=1#y%20 😀"
    add_model(
        person=alice, source=lab, model_id=strange, facts=ModelFacts("Strange", context_tokens=8192), price=PRICED
    )
    known = models_of(team).entry(f"lab:{strange}")
    assert known is not None and known.model_id == strange and known.name == "Strange"
    assert (known.context_tokens, known.price) == (8192, Price(500_000, 1_500_000))
    assert models_of(team).endpoint(known).model_id == strange


@pytest.mark.parametrize(
    ("model_id", "message"),
    [("", "Write the model's id"), ("  ", "Write the model's id"), ("x" * 201, "at most 200"), ("a\0b", "NUL")],
)
def test_an_id_that_cannot_be_kept_is_refused(alice: User, lab: Source, model_id: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        add_model(person=alice, source=lab, model_id=model_id)
    assert refused.value.field == "model_id" and not ModelEntry.objects.exists()


def test_a_model_is_added_once(alice: User, lab: Source) -> None:
    add_model(person=alice, source=lab, model_id="m")
    with pytest.raises(InvalidInput, match="has this model already"):
        add_model(person=alice, source=lab, model_id="m")


def test_what_was_edited_stays_when_the_list_is_read_again(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "Listed", "openai", 1000, LISTED, ("text",), ("text",)))
    edit_model(
        person=alice,
        source=lab,
        row=row_of(lab),
        facts=ModelFacts("Mine", "openai", 2000, ("text",), ("text",)),
    )
    assert row_of(lab).edited == ["context_tokens", "name"]
    listed(lab, ModelInfo("m", "Renamed", "meta", 3000, LISTED, ("text", "image"), ("text",)))
    row = row_of(lab)
    assert (row.name, row.context_tokens) == ("Mine", 2000)
    assert (row.family, row.input_modalities) == ("meta", ["text", "image"])


def test_taking_the_providers_word_again_lets_the_next_list_say_it(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "Listed", "openai"))
    edit_model(person=alice, source=lab, row=row_of(lab), facts=ModelFacts("Mine", "acme"))
    take_listed_fact(person=alice, source=lab, row=row_of(lab), name="name")
    listed(lab, ModelInfo("m", "Listed", "openai"))
    assert (row_of(lab).name, row_of(lab).family, row_of(lab).edited) == ("Listed", "acme", ["family"])


def test_saving_without_a_change_edits_nothing(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "Listed", "openai", 1000))
    edit_model(person=alice, source=lab, row=row_of(lab), facts=ModelFacts("Listed", "openai", 1000))
    assert row_of(lab).edited == [] and not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (ModelFacts("n" * 201), "name"),
        (ModelFacts(family="f" * 61), "family"),
        (ModelFacts(context_tokens=0), "context_tokens"),
        (ModelFacts(context_tokens=10**9), "context_tokens"),
        (ModelFacts(input_modalities=("<b>",)), "input_modalities"),
        (ModelFacts(output_modalities=tuple("abcdefghijk")), "output_modalities"),
    ],
)
def test_facts_that_make_no_sense_are_refused(alice: User, lab: Source, facts: ModelFacts, field: str) -> None:
    row = add_model(person=alice, source=lab, model_id="m")
    with pytest.raises(InvalidInput) as refused:
        edit_model(person=alice, source=lab, row=row, facts=facts)
    assert refused.value.field == field


def test_a_price_is_a_new_version_and_the_old_one_stays_as_it_was(alice: User, team: Team, lab: Source) -> None:
    listed(lab, ModelInfo("m", "m", price=LISTED))
    before = PriceVersion.objects.values().get()
    set_price(person=alice, source=lab, row=row_of(lab), price=PRICED)
    newest, oldest = price_history(row_of(lab))
    assert (newest.source, newest.author, newest.status) == ("manual", alice, "priced")
    assert (newest.input_picos, newest.output_picos) == (500_000, 1_500_000)
    assert newest.effective_from > oldest.effective_from
    assert PriceVersion.objects.values().get(pk=oldest.pk) == before
    known = models_of(team).entry("lab:m")
    assert known is not None and known.price == Price(500_000, 1_500_000)


def test_a_price_set_by_hand_is_not_overruled_by_the_list(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "m", price=LISTED))
    set_price(person=alice, source=lab, row=row_of(lab), price=PRICED)
    assert not listed(lab, ModelInfo("m", "m", price=Price(9, 9)))
    assert len(price_history(row_of(lab))) == 2


def test_the_providers_price_comes_back_when_it_is_wanted(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "m", price=LISTED))
    set_price(person=alice, source=lab, row=row_of(lab), price=PRICED)
    version = take_listed_price(person=alice, source=lab, row=row_of(lab))
    assert version is not None and (version.source, version.input_picos) == ("upstream", 2_000_000)
    assert listed(lab, ModelInfo("m", "m", price=Price(9, 9))).repriced == 1


def test_a_provider_that_never_told_a_price_leaves_it_unknown(alice: User, lab: Source) -> None:
    listed(lab, ModelInfo("m", "m"))
    set_price(person=alice, source=lab, row=row_of(lab), price=PRICED)
    version = take_listed_price(person=alice, source=lab, row=row_of(lab))
    assert version is not None and version.status == "unknown" and version.input_picos is None


def test_unknown_free_and_priced_are_three_things(alice: User, team: Team, lab: Source) -> None:
    for model_id, price in (("u", TypedPrice("unknown")), ("f", TypedPrice("free")), ("p", PRICED)):
        add_model(person=alice, source=lab, model_id=model_id, price=price)
    found = {one.model_id: one.price for one in models_of(team).all() if one.connection == "lab"}
    assert found == {"u": None, "f": Price(0, 0), "p": Price(500_000, 1_500_000)}


@pytest.mark.parametrize(
    ("price", "field"),
    [
        (TypedPrice("priced", "0", "0.00"), "status"),
        (TypedPrice("priced", "", "1"), "input_usd"),
        (TypedPrice("priced", "1", "0.0000001"), "output_usd"),
        (TypedPrice("priced", "1", "1", "x"), "cached_input_usd"),
        (TypedPrice("cheap"), "status"),
    ],
)
def test_a_price_that_makes_no_sense_changes_nothing(alice: User, lab: Source, price: TypedPrice, field: str) -> None:
    row = add_model(person=alice, source=lab, model_id="m")
    with pytest.raises(InvalidInput) as refused:
        set_price(person=alice, source=lab, row=row, price=price)
    assert refused.value.field == field and not PriceVersion.objects.exists()


def test_the_same_price_again_is_no_new_version(alice: User, lab: Source) -> None:
    row = add_model(person=alice, source=lab, model_id="m", price=PRICED)
    set_price(person=alice, source=lab, row=row, price=TypedPrice("priced", "0.500", "1.5"))
    assert len(price_history(row)) == 1


def test_only_a_model_added_by_hand_can_be_removed(alice: User, team: Team, lab: Source) -> None:
    row = add_model(person=alice, source=lab, model_id="mine")
    listed(lab, ModelInfo("theirs", "theirs"))
    with pytest.raises(InvalidInput, match="only models added by hand"):
        remove_model(person=alice, source=lab, row=row_of(lab, "theirs"))
    listed(lab)
    assert row_of(lab, "theirs").vanished_at is not None and not is_hand_made(row_of(lab, "theirs"))
    with pytest.raises(InvalidInput):
        remove_model(person=alice, source=lab, row=row_of(lab, "theirs"))
    remove_model(person=alice, source=lab, row=row)
    assert [one.model_id for one in models_of(team).known() if one.connection == "lab"] == ["theirs"]


def test_a_model_added_by_hand_does_not_vanish_with_the_list(alice: User, lab: Source) -> None:
    add_model(person=alice, source=lab, model_id="mine")
    assert listed(lab, ModelInfo("other", "other")).vanished == 0
    assert row_of(lab, "mine").vanished_at is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.BILLING])
def test_who_is_no_admin_of_the_team_changes_nothing(team: Team, lab: Source, role: Role) -> None:
    person = make_user("dora", team=team, role=role)
    with pytest.raises(NotAllowed, match="Ask Alice"):
        add_model(person=person, source=lab, model_id="m")
    row = ModelEntry.objects.create(connection_id=lab.pk, model_id="m", name="m")
    deeds: list[Any] = [
        lambda: edit_model(person=person, source=lab, row=row, facts=ModelFacts("x")),
        lambda: set_price(person=person, source=lab, row=row, price=PRICED),
        lambda: take_listed_price(person=person, source=lab, row=row),
        lambda: take_listed_fact(person=person, source=lab, row=row, name="name"),
        lambda: remove_model(person=person, source=lab, row=row),
    ]
    for deed in deeds:
        with pytest.raises(NotAllowed):
            deed()
    assert not AuditEvent.objects.exists() and not PriceVersion.objects.exists()


def test_the_sites_models_are_the_site_administrators(alice: User, root: User, house: Source, lab: Source) -> None:
    with pytest.raises(NotAllowed, match=r"Ask Root\."):
        add_model(person=alice, source=house, model_id="m")
    add_model(person=root, source=house, model_id="m")
    with pytest.raises(NotAllowed):
        add_model(person=root, source=lab, model_id="m")  # not in the team
    assert AuditEvent.objects.get().team is None


def test_the_environments_models_are_the_site_administrators_and_the_simulated_ones_nobodys(
    alice: User, root: User, settings: Any
) -> None:
    settings.FUSION_PROVIDER_ENV = {"FUSION_PROVIDER_URL": "http://127.0.0.1:9/v1"}
    custom, simulated = sources_from_settings()
    assert not may_edit_models(alice, custom) and may_edit_models(root, custom)
    row = add_model(person=root, source=custom, model_id="m", price=TypedPrice("free"))
    assert (row.connection, row.env_slug) == (None, "custom")
    with pytest.raises(NotAllowed, match="part of the program"):
        add_model(person=root, source=simulated, model_id="m")


def test_every_change_is_in_the_audit_log(alice: User, team: Team, lab: Source) -> None:
    row = add_model(person=alice, source=lab, model_id="m", price=PRICED)
    edit_model(person=alice, source=lab, row=row, facts=ModelFacts("Mine"))
    set_price(person=alice, source=lab, row=row, price=TypedPrice("free"))
    take_listed_price(person=alice, source=lab, row=row)
    take_listed_fact(person=alice, source=lab, row=row, name="name")
    remove_model(person=alice, source=lab, row=row)
    events = list(AuditEvent.objects.order_by("pk"))
    assert [one.action for one in events] == [
        *("model.add", "model.price", "model.edit", "model.price", "model.price", "model.follow", "model.remove")
    ]
    assert {(one.team, one.actor, one.target_name) for one in events} == {(team, alice, "lab:m")}
    assert events[3].before == {"price": "in 0.50, out 1.50 USD per million tokens"}
    assert events[3].after == {"price": "free", "source": "manual"}
