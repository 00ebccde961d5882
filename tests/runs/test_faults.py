"""Every kind of fault on one member of three, through the whole product: the run ends with an answer or honestly.

The two steady members and the judge are as quick as always; the third one's upstream does what `tests.faults` says.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from html import escape
from typing import Any

import pytest
from django.test import Client

from fusion.catalogue import available
from fusion.engine import retry
from fusion.engine.types import AnswerState, RunState
from fusion.live.record import RunRecord
from fusion.models import Run, User
from fusion.providers import chunks, openai_chat
from fusion.providers.reply import ReadLimits
from fusion.runs.pools import MemberSpec
from fusion.runs.worker import Worker
from tests import factories
from tests.faults import FAULTS, HALF
from tests.processes import free_port
from tests.runs.conftest import ask
from tests.runs.steering import db, ended, until
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

STEADY = ("custom:m-b-tokens20", "custom:m-a-tokens30")
SLOW = 1  # seconds that a member gets which would never begin to answer
# Ends for what would go on for ever, near ones; both count only once there is text, however slow the machine is.
LIMITS, MAX_TEXT_CHARS = ReadLimits(idle_s=1.5), 200_000
DONE, EMPTY, FAILED, REFUSED = AnswerState.DONE, AnswerState.EMPTY, AnswerState.FAILED, AnswerState.REFUSED
CUT_OFF, TRUNCATED = AnswerState.CUT_OFF, AnswerState.TRUNCATED


@dataclass(frozen=True, slots=True)
class End:
    """How the third member ends: its state, the failure's code, words of its sentence, its text, its requests."""

    state: AnswerState
    code: str
    words: str
    text: str = ""
    calls: int = 1
    timeout_s: int | None = None


ENDS = {
    "400": End(FAILED, "provider_bad_request", "did not accept the request"),
    "401": End(FAILED, "provider_auth_failed", "wants a key (401): set FUSION_PROVIDER_KEY"),
    "402": End(FAILED, "provider_billing_refused", "top up the account of this key"),
    "403": End(FAILED, "provider_auth_failed", "does not allow this key"),
    "404": End(FAILED, "provider_model_unknown", "choose another model"),
    "408": End(FAILED, "provider_timeout", "took too long (408): ask again", calls=2),
    "413": End(FAILED, "provider_context_too_long", "shorten it, or choose a model with a larger context"),
    "429": End(FAILED, "provider_rate_limited", "limiting how fast"),  # it says: not before an hour is over
    "500": End(FAILED, "provider_overloaded", "ask again in a moment", calls=2),
    "503-page": End(FAILED, "provider_overloaded", "a problem of its own (503)", calls=2),
    "529": End(FAILED, "provider_overloaded", "Overloaded", calls=2),
    "page": End(FAILED, "provider_malformed", "answered with a web page: check its address"),
    "words": End(FAILED, "provider_malformed", "no healthy upstream"),
    "nothing": End(FAILED, "provider_stream_cut", "before the answer began", calls=2),
    "half-json": End(FAILED, "provider_malformed", "not a completion: check its address"),
    "redirect": End(FAILED, "provider_malformed", "a redirect (307): set its address to where it points"),
    "gzip-bomb": End(FAILED, "provider_malformed", "compressed reply, which was not asked for"),
    "other-protocol": End(FAILED, "provider_unreachable", "hung up without an answer", calls=2),
    "hang-up": End(FAILED, "provider_unreachable", "hung up without an answer", calls=2),
    "reset-at-once": End(FAILED, "provider_unreachable", "hung up without an answer", calls=2),
    "error-object": End(TRUNCATED, "provider_overloaded", "Provider disconnected", HALF),
    "cut": End(TRUNCATED, "provider_stream_cut", "before the answer was complete", HALF),
    "reset": End(TRUNCATED, "provider_stream_cut", "before the answer was complete", HALF),
    "garbage": End(TRUNCATED, "provider_malformed", "not part of an answer", HALF),
    "line-without-end": End(TRUNCATED, "provider_malformed", "longer than allowed", HALF),
    "stall-before-headers": End(FAILED, "provider_timeout", "had not begun to answer", timeout_s=SLOW),
    "stall-before-text": End(FAILED, "provider_timeout", "had not begun to answer", timeout_s=SLOW),
    "comments-before-text": End(FAILED, "provider_timeout", "had not begun to answer", timeout_s=SLOW),
    "stall-in-text": End(TRUNCATED, "provider_timeout", "sent nothing more in the time it had", HALF),
    "endless": End(TRUNCATED, "provider_malformed", "sent more text than any answer may have", f"{HALF} and on"),
    "empty": End(EMPTY, "empty_answer", "sent an empty answer"),
    "length": End(CUT_OFF, "", "Stopped at its", HALF),
    "only-reasoning": End(EMPTY, "empty_answer", "before it wrote any visible text"),
    "filtered": End(REFUSED, "provider_refused", "a content filter ended the reply", HALF),
}


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause before asking again is for the provider's sake; nobody here needs it."""
    monkeypatch.setattr(retry, "RETRY_WAIT_S", (0.0, 0.01))
    monkeypatch.setattr(openai_chat, "ReadLimits", lambda: LIMITS)
    monkeypatch.setattr(chunks, "MAX_TEXT_CHARS", MAX_TEXT_CHARS)


def test_every_fault_is_tried() -> None:
    assert ENDS.keys() == FAULTS.keys()


@pytest.mark.parametrize("kind", ENDS)
async def test_a_fault_of_one_member_is_told_and_the_others_answer(
    kind: str, worker: Worker, upstream: Upstream, person: User
) -> None:
    end, before = ENDS[kind], asyncio.all_tasks()
    run = await db(asked_of_three)(person, f"custom:broken-{kind}", end.timeout_s)
    record = await ended(run)
    assert_the_others_answered(record)
    assert_told(record, end)
    assert upstream.stats.asked[f"broken-{kind}"] == end.calls or end.timeout_s  # a slow machine had not asked yet
    await until(lambda: upstream.stats.open == 0 and not tasks_since(before))
    await db(assert_shown)(run, person, end)


async def test_a_connection_that_is_refused_is_told_and_the_others_answer(
    worker: Worker, upstream: Upstream, person: User, settings: Any
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    settings.FUSION_PROVIDER_ENV = {**settings.FUSION_PROVIDER_ENV, "OLLAMA_BASE_URL": address}
    available.reset()
    run = await db(asked_of_three)(person, "ollama:gone")
    record = await ended(run)
    assert_the_others_answered(record)
    assert_told(record, End(FAILED, "provider_unreachable", f"{address}/v1 (nothing answers there)", calls=2))


async def test_a_judge_may_choose_what_was_cut_and_the_final_is_what_came(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    """Half an answer is still an answer: it is judged, and a final made of it says that it is not whole."""
    members = tuple(map(MemberSpec, ("custom:broken-cut", "custom:broken-reset")))
    pool = await db(factories.make_pool)(person, members=members, judge="custom:judge", fallback_judges=())
    record = await ended(await db(ask)(person, pool))
    assert record.state is RunState.DONE
    assert record.final.final is not None and record.final.text == HALF
    assert record.final.final.truncated


async def test_three_faults_are_a_failed_run_that_gives_each_reason(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    members = tuple(map(MemberSpec, ("custom:broken-401", "custom:broken-page", "custom:broken-empty")))
    pool = await db(factories.make_pool)(person, members=members, judge="custom:judge", fallback_judges=())
    run = await db(ask)(person, pool)
    record = await ended(run)
    assert record.state is RunState.FAILED and record.final.final is None
    assert upstream.stats.asked["judge"] == 0
    page = await db(page_of)(run, person)
    for column in record.answers.values():
        assert column.failure is not None and escape(column.failure.message) in page


def asked_of_three(person: User, broken: str, timeout_s: int | None = None) -> Run:
    members = (*map(MemberSpec, STEADY), MemberSpec(broken, timeout_s=timeout_s))
    pool = factories.make_pool(person, members=members, judge="custom:judge-tokens5", fallback_judges=())
    return ask(person, pool)


def assert_the_others_answered(record: RunRecord) -> None:
    assert record.state is RunState.DONE
    assert [record.answers[letter].state for letter in "AB"] == [DONE, DONE]
    assert record.final.final is not None and record.final.text == record.answers["B"].text != ""


def assert_told(record: RunRecord, end: End) -> None:
    """The column says what happened, and each request has its line in the receipt, with its own end."""
    column = record.answers["C"]
    failure = column.failure
    assert (column.state, failure.code if failure else "") == (end.state, end.code), failure
    assert column.text.startswith(end.text) if end.text else column.text == ""
    if failure is not None:
        assert end.words in failure.message
        assert len(failure.message) <= 300 and failure.message.isprintable()
    calls = [call.ended for call in record.calls.values() if call.started.letter == "C"]
    assert len(calls) == end.calls and all(calls)
    if end.state is TRUNCATED:
        assert [call.status for call in calls if call] == ["truncated"]
    if end.state is FAILED:
        assert {call.status for call in calls if call} == {"failed"}


def assert_shown(run: Run, person: User, end: End) -> None:
    page = page_of(run, person)
    note = page.partition('id="note-C"')[2].partition("</div>")[0]
    assert escape(end.words) in note
    assert end.text in page


def page_of(run: Run, person: User) -> str:
    client = Client()
    client.force_login(person)
    reply = client.get(f"/r/{run.public_id}")
    assert reply.status_code == 200
    return reply.content.decode()


def tasks_since(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """What was begun and goes on, beside the model server's connections: those are kept for the next request."""
    return {task for task in asyncio.all_tasks() - before if "Upstream._connection" not in repr(task.get_coro())}
