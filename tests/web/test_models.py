"""The team's models in the browser: finding one, what is known of it, changing it, asking for the list anew."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from fusion.catalogue.edits import TypedPrice, add_model, set_price
from fusion.catalogue.sources import Source, source_of
from fusion.catalogue.stored import rows_of, store_list
from fusion.models import ModelEntry, PriceVersion, Team, User
from fusion.models.team import Role
from fusion.providers.catalogue import ModelInfo, Price
from fusion.runs.listing import Refreshed
from tests.catalogue.conftest import make_connection
from tests.factories import MemberSpec, client_of, make_call, make_pool, make_run, make_user

pytestmark = pytest.mark.django_db
CHEAP, DEAR = Price(100_000, 400_000), Price(5_000_000, 25_000_000)
INFOS = (
    ModelInfo("acme/small", "Acme Small", "acme", 32_000, CHEAP, ("text",), ("text",)),
    ModelInfo("acme/large", "Acme Large", "acme", 200_000, DEAR, ("text", "image"), ("text",)),
    ModelInfo("other/free", "Other Free", "other", None, Price(0, 0)),
    ModelInfo("other/dark", "Other Dark", "other", None, None),
)


@pytest.fixture
def lab(team: Team) -> Source:
    source = source_of(make_connection("lab", team))
    store_list(source, INFOS)
    return source


def text_of(response: Any) -> str:
    return str(response.content.decode())


def listed(response: Any) -> list[str]:
    """The names in the table, simulated ones left out."""
    found = re.findall(r'models-table__name">(?:<a[^>]*>)?<bdi>([^<]*)</bdi>', text_of(response))
    return [name for name in found if not name.startswith("Simulated")]


def row_of(source: Source, model_id: str) -> ModelEntry:
    return ModelEntry.objects.get(rows_of(source), model_id=model_id)


def at(team: Team, *parts: object) -> str:
    return "/".join(["/team", str(team.public_id), "models", *map(str, parts)]).replace("//", "/")


def test_the_table_tells_price_context_and_what_is_unknown(alice: User, team: Team, lab: Source) -> None:
    text = text_of(client_of(alice).get(at(team)))
    rows = {name: row for row in text.split("<tr>") for name in re.findall(r"<bdi>(Acme \w+|Other \w+)</bdi>", row)}
    assert "$0.10" in rows["Acme Small"] and "$0.40" in rows["Acme Small"] and ">32k<" in rows["Acme Small"]
    assert rows["Other Dark"].count("$?") == 2 and "$0" not in rows["Other Dark"]
    assert rows["Other Free"].count(">free<") == 2
    assert ">yes</td>" in rows["Acme Large"] and "the team&#x27;s key" in rows["Acme Large"].replace("'", "&#x27;")
    assert "no calls yet" in rows["Acme Large"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "acme"}, ["Acme Large", "Acme Small"]),
        ({"q": "<1$"}, ["Acme Small", "Other Free"]),
        ({"q": ">100k family:acme"}, ["Acme Large"]),
        ({"price": "unpriced"}, ["Other Dark"]),
        ({"price": "free"}, ["Other Free"]),
        ({"family": "other", "price": "priced"}, []),
        ({"images": "on"}, ["Acme Large"]),
        ({"provider": "lab", "sort": "output"}, ["Other Free", "Acme Small", "Acme Large", "Other Dark"]),
        ({"provider": "lab", "sort": "-output"}, ["Acme Large", "Acme Small", "Other Free", "Other Dark"]),
        ({"provider": "lab", "sort": "context"}, ["Acme Small", "Acme Large", "Other Dark", "Other Free"]),
        ({"provider": "nowhere", "q": "acme small"}, ["Acme Small"]),
        ({"sort": "<script>", "q": "acme small"}, ["Acme Small"]),
        ({"page": "99", "q": "acme small"}, ["Acme Small"]),
    ],
)
def test_filters_sorting_and_paging(
    alice: User, team: Team, lab: Source, query: dict[str, str], names: list[str]
) -> None:
    response = client_of(alice).get(f"{at(team)}?{urlencode(query)}")
    assert response.status_code == 200 and listed(response) == names


def test_hundreds_of_models_come_in_pages_for_a_fixed_number_of_queries(
    alice: User, team: Team, lab: Source, django_assert_max_num_queries: Any
) -> None:
    store_list(lab, [ModelInfo(f"m{number:03}", f"M {number:03}") for number in range(420)])
    client = client_of(alice)
    client.get(at(team))
    with django_assert_max_num_queries(14):
        response = client.get(f"{at(team)}?provider=lab&page=3")
    assert listed(response)[:2] == ["M 098", "M 099"]  # two that vanished stand before and len(listed(response)) == 50


def test_a_live_search_gets_the_table_alone(alice: User, team: Team, lab: Source) -> None:
    response = client_of(alice).get(f"{at(team)}?q=acme", headers={"HX-Request": "true", "HX-Target": "models-results"})
    assert text_of(response).lstrip().startswith('<section id="models-results"') and "<html" not in text_of(response)
    assert "HX-Target" in response["Vary"]


def test_a_model_that_vanished_stays_and_says_so(alice: User, team: Team, lab: Source) -> None:
    store_list(lab, INFOS[1:])
    assert "vanished" in text_of(client_of(alice).get(f"{at(team)}?q=small"))
    text = text_of(client_of(alice).get(at(team, row_of(lab, "acme/small").public_id)))
    assert "and does not any more" in text


def test_a_page_of_a_model_tells_prices_health_and_pools(alice: User, team: Team, lab: Source) -> None:
    row = row_of(lab, "acme/small")
    set_price(person=alice, source=lab, row=row, price=TypedPrice("priced", "0.123456", "1"))
    pool = make_pool(alice, members=(MemberSpec("lab:acme/small"),), judge="", fallback_judges=())
    make_call(make_run(alice, pool=pool), "lab:acme/small", connection_id=lab.pk, ttft_ms=700)
    text = text_of(client_of(alice).get(at(team, row.public_id)))
    assert "$0.123456 in, $1.00 out" in text and "set by hand" in text and "the provider&#x27;s list" in text
    assert f'href="/pools/{pool.public_id}"' in text and "700 ms" in text
    assert "price from “in 0.10, out 0.40 USD per million tokens” to “in 0.123456" in text


def test_who_may_not_change_models_sees_no_way_to_and_no_names_of_those_who_did(
    team: Team, alice: User, lab: Source
) -> None:
    row = row_of(lab, "acme/small")
    set_price(person=alice, source=lab, row=row, price=TypedPrice("free"))
    member = client_of(make_user("mallory", team=team, role=Role.MEMBER))
    text = text_of(member.get(at(team, row.public_id)))
    assert "by <bdi>Alice</bdi>" not in text and "Changed by hand" not in text and "/edit" not in text
    assert member.get(at(team, row.public_id, "edit")).status_code == 403
    assert member.post(at(team, row.public_id, "edit"), {"do": "price", "status": "free"}).status_code == 403
    assert "Add a model" not in text_of(member.get(at(team)))


def test_a_stranger_finds_neither_the_team_nor_through_their_own_team_its_models(
    charlie: User, team: Team, lab: Source
) -> None:
    client, row = client_of(charlie), row_of(lab, "acme/small")
    own = Team.objects.get(memberships__user=charlie)
    for path in (at(team), at(team, "options"), at(team, "new"), at(team, row.public_id), at(own, row.public_id)):
        assert client.get(path).status_code == 404
    for path in (at(team, "refresh"), at(own, row.public_id, "edit"), at(own, row.public_id, "remove")):
        assert client.post(path).status_code == 404
    assert "Acme" not in text_of(client.get(at(own, "options")))


def test_a_price_typed_wrong_comes_back_as_it_was_typed(alice: User, team: Team, lab: Source) -> None:
    row = row_of(lab, "acme/small")
    form = {"do": "price", "status": "priced", "input_usd": "0.0000001", "output_usd": "1,5"}
    response = client_of(alice).post(at(team, row.public_id, "edit"), form)
    text = text_of(response)
    assert response.status_code == 422 and 'value="0.0000001"' in text and 'value="1,5"' in text
    assert "at most six decimal places" in text and PriceVersion.objects.filter(entry=row).count() == 1


def test_saving_facts_and_a_price(alice: User, team: Team, lab: Source) -> None:
    row, client = row_of(lab, "other/dark"), client_of(alice)
    facts = {"do": "facts", "name": "Dark", "family": "Other", "context_tokens": "64000", "input_modalities": ["image"]}
    assert client.post(at(team, row.public_id, "edit"), facts).status_code == 302
    price = {"do": "price", "status": "priced", "input_usd": "$2", "output_usd": "2.5", "cached_input_usd": ".5"}
    assert client.post(at(team, row.public_id, "edit"), price).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.family, row.context_tokens, row.input_modalities) == ("Dark", "other", 64_000, ["image"])
    assert row.edited == ["context_tokens", "input_modalities", "name", "price"]
    newest = row.prices.first()
    assert newest is not None and (newest.input_picos, newest.output_picos) == (2_000_000, 2_500_000)
    assert newest.cached_input_picos == 500_000


def test_a_model_is_added_and_removed(alice: User, team: Team, lab: Source) -> None:
    client = client_of(alice)
    form = {"connection": "lab", "model_id": " odd id ", "name": "Odd", "status": "free"}
    response = client.post(at(team, "new"), form)
    row = row_of(lab, " odd id ")
    assert response.status_code == 302 and response["Location"] == at(team, row.public_id)
    assert client.post(at(team, "new"), form).status_code == 422
    assert client.post(at(team, row.public_id, "remove")).status_code == 302
    assert not ModelEntry.objects.filter(pk=row.pk).exists()
    assert client.post(at(team, row_of(lab, "acme/small").public_id, "remove")).status_code == 302
    assert ModelEntry.objects.filter(rows_of(lab), model_id="acme/small").exists()


def test_the_sites_connection_is_not_offered_to_a_teams_admin(alice: User, team: Team, lab: Source) -> None:
    house = source_of(make_connection("house"))
    client = client_of(alice)
    assert 'value="house"' not in text_of(client.get(at(team, "new")))
    assert client.post(at(team, "new"), {"connection": "house", "model_id": "m", "status": "free"}).status_code == 422
    assert not ModelEntry.objects.filter(rows_of(house)).exists()


def test_the_providers_price_can_be_taken_again(alice: User, team: Team, lab: Source) -> None:
    row = row_of(lab, "acme/small")
    set_price(person=alice, source=lab, row=row, price=TypedPrice("free"))
    client = client_of(alice)
    assert 'value="follow-price"' in text_of(client.get(at(team, row.public_id, "edit")))
    client.post(at(team, row.public_id, "edit"), {"do": "follow-price"})
    row.refresh_from_db()
    newest = row.prices.first()
    assert row.edited == [] and newest is not None and newest.input_picos == 100_000


def test_asking_for_the_list_again_tells_how_it_went_and_only_once_in_a_while(
    alice: User, team: Team, lab: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def refresh_each(sources: list[Source]) -> list[Refreshed]:
        asked.extend(source.slug for source in sources)
        return [Refreshed(source, problem="Lab refused the key (401).") for source in sources]

    monkeypatch.setattr("fusion.web.views.teams.models.refresh_each", refresh_each)
    client = client_of(alice)
    first = client.post(at(team, "refresh"), {"connection": "lab"}, follow=True)
    assert "Lab: Lab refused the key (401)." in text_of(first)
    again = client.post(at(team, "refresh"), {"connection": "all"}, follow=True)
    assert "asked for a moment ago" in text_of(again) and asked == ["lab"]
    assert "Choose a connection" in text_of(client.post(at(team, "refresh"), {"connection": "sim"}, follow=True))
    member = client_of(make_user("mallory", team=team, role=Role.MEMBER))
    assert member.post(at(team, "refresh"), {"connection": "all"}).status_code == 403


# --- the picker's options -----------------------------------------------------------------------------


def refs(response: Any) -> list[str]:
    return re.findall(r'data-ref="([^"]*)"', text_of(response))


def test_a_picker_is_offered_what_its_words_find(alice: User, team: Team, lab: Source) -> None:
    client = client_of(alice)
    response = client.get(f"{at(team, 'options')}?{urlencode({'q': 'acme <1$'})}")
    assert refs(response) == ["lab:acme/small"]
    assert "<bdi>Lab</bdi> · <bdi>acme</bdi> · <bdi>32k context</bdi> · <bdi>$0.10 in, $0.40 out</bdi>" in text_of(
        response
    )
    assert "no calls yet" in text_of(response)


def test_a_model_that_no_list_names_is_offered_when_it_is_typed_out(alice: User, team: Team, lab: Source) -> None:
    client = client_of(alice)
    assert refs(client.get(f"{at(team, 'options')}?q=lab:secret/model")) == ["lab:secret/model"]
    nobody = client.get(f"{at(team, 'options')}?q=gone:model")
    assert refs(nobody) == [] and "No model matches." in text_of(nobody)


def test_a_long_list_is_cut_and_says_so(alice: User, team: Team, lab: Source) -> None:
    store_list(lab, [ModelInfo(f"m{number:03}", f"M {number:03}") for number in range(420)])
    response = client_of(alice).get(f"{at(team, 'options')}?q=provider:lab")
    assert len(refs(response)) == 50 and "370 more" in text_of(response)


def test_names_from_outside_stay_text(alice: User, team: Team, lab: Source) -> None:
    evil = '"><script>alert(1)</script>'
    add_model(person=alice, source=lab, model_id=evil)
    client = client_of(alice)
    for path in (at(team), f"{at(team, 'options')}?q=script", at(team, row_of(lab, evil).public_id)):
        assert "<script>alert" not in text_of(client.get(path))


def test_fields_that_the_forms_of_a_model_do_not_have_change_nothing(alice: User, team: Team, lab: Source) -> None:
    row, other = row_of(lab, "acme/small"), make_connection("site")
    hostile = {
        "model_id": "stolen",
        "connection": other.pk,
        "connection_id": other.pk,
        "env_slug": "openai",
        "edited": "[]",
        "listed": "",
        "vanished_at": "2020-01-01",
        "source": "upstream",
        "author": 1,
        "effective_from": "2020-01-01",
        "entry": 1,
    }
    before = ModelEntry.objects.values().get(pk=row.pk)
    facts = {"do": "facts", "name": "Renamed", "family": row.family, "context_tokens": str(row.context_tokens)}
    sides = {"input_modalities": row.input_modalities, "output_modalities": row.output_modalities}
    client, address = client_of(alice), at(team, row.public_id, "edit")
    assert client.post(address, {**hostile, **facts, **sides}).status_code == 302
    after = ModelEntry.objects.values().get(pk=row.pk)
    assert {name for name, value in after.items() if value != dict(before)[name]} == {"name", "edited"}

    assert client.post(address, {**hostile, "do": "price", "status": "free"}).status_code == 302
    newest = PriceVersion.objects.filter(entry=row).first()
    assert newest is not None and (newest.source, newest.author) == ("manual", alice)
    assert newest.effective_from.year > 2020
