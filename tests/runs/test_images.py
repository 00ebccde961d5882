"""Images of runs: stored, given to a question once, sent to members, kept with the run, swept away."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from fusion.engine.types import AnswerState, RunState, Sight
from fusion.errors import InvalidInput, NotAllowed, PoolUnusable, RunStateConflict
from fusion.live.runs import LIVE
from fusion.models import PromptImage, Run, User
from fusion.models.attachment import image_storage
from fusion.models.team import Role as TeamRole
from fusion.providers.simulated import SimulatedProvider
from fusion.runs import finals, services
from fusion.runs.exports import record_to_document, record_to_markdown
from fusion.runs.images import find_images, sweep_images, take_image
from fusion.runs.selectors import load_record
from fusion.runs.worker import Worker
from tests.factories import MemberSpec, make_pool, make_run, make_user, team_of
from tests.pictures import picture
from tests.runs.conftest import pool_of
from tests.runs.steering import db, ended
from tests.upstream import Upstream


def upload(person: User, **options: Any) -> PromptImage:
    return take_image(author=person, team=team_of(person), data=picture(**options))[0]


def path_of(image: PromptImage) -> Path:
    return Path(image_storage().path(image.name))


def asked_with(person: User, *images: PromptImage, pool: Any = None, key: str = "k1", **more: Any) -> Run:
    with patch("fusion.runs.services.dispatch_run"):
        return services.start_run(
            author=person,
            pool=pool or make_pool(person),
            prompt="What is it?",
            idempotency_key=key,
            images=images,
            **more,
        )


# --- rows and files ------------------------------------------------------------------------------------


def test_a_file_is_ours_alone_under_a_name_of_ours(alice: User, settings: Any) -> None:
    image = upload(alice)
    file = path_of(image)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(file.parents)[:2]} == {0o700}
    assert settings.DATA_DIR / "uploads" / "images" in file.parents
    assert settings.STATIC_ROOT not in file.parents
    assert file.stat().st_size == image.bytes and len(file.stem) == 32 and file.suffix == ".png"


def test_before_it_is_asked_with_an_image_is_its_authors_alone(alice: User, bob: User, charlie: User) -> None:
    image = upload(alice)
    seen = {person.email: PromptImage.objects.visible_to(person).exists() for person in (alice, bob, charlie)}
    assert seen == {"alice@example.com": True, "bob@example.com": False, "charlie@example.com": False}
    assert find_images(bob, [str(image.public_id)]) == [None]


def test_a_runs_image_is_seen_by_who_may_read_the_run(alice: User, bob: User, charlie: User) -> None:
    asked_with(alice, upload(alice))
    asked_with(alice, upload(alice), key="k2", private=True)
    counts = [PromptImage.objects.visible_to(person).count() for person in (alice, bob, charlie)]
    assert counts == [2, 1, 0]
    Run.objects.update(deleted_at=timezone.now())
    assert PromptImage.objects.visible_to(alice).count() == 0


def test_a_question_takes_its_images_in_their_order_and_another_gets_copies(alice: User) -> None:
    first, second = upload(alice), upload(alice, kind="JPEG")
    run = asked_with(alice, second, first)
    assert [image.pk for image in run.images.all()] == [second.pk, first.pk]
    again = asked_with(alice, *run.images.all(), key="k2")
    copies = list(again.images.all())
    assert [copy.sha256 for copy in copies] == [second.sha256, first.sha256]
    assert {copy.name for copy in copies}.isdisjoint({first.name, second.name})
    assert all(path_of(copy).exists() for copy in copies)


def test_the_same_key_gives_the_same_run_and_leaves_other_images_alone(alice: User) -> None:
    pool = make_pool(alice)
    run, late = asked_with(alice, upload(alice), pool=pool), upload(alice)
    assert asked_with(alice, late, pool=pool).pk == run.pk
    late.refresh_from_db()
    assert late.run is None


def test_too_many_images_and_a_panel_that_would_be_left_out_are_refused_and_leave_nothing(
    alice: User, settings: Any
) -> None:
    settings.FUSION_IMAGES_PER_PROMPT = 1
    images = [upload(alice), upload(alice)]
    with pytest.raises(InvalidInput, match=r"has 2 images; one is allowed. Remove 1\."):
        asked_with(alice, *images)
    blind = make_pool(alice, members=(MemberSpec("sim:terse"), MemberSpec("sim:sceptic")), anchor=0)
    with pytest.raises(PoolUnusable, match="No member of this pool can see images"):
        asked_with(alice, images[0], pool=blind, blind_members="leave_out")
    assert not Run.objects.exists() and PromptImage.objects.filter(run=None).count() == 2


def test_who_may_only_read_adds_no_image(alice: User) -> None:
    viewer = make_user("viewer", team=team_of(alice), role=TeamRole.VIEWER)
    with pytest.raises(NotAllowed):
        upload(viewer)
    assert not PromptImage.objects.exists()


def test_a_full_disk_is_said_and_leaves_no_row(alice: User) -> None:
    with (
        patch("django.core.files.storage.FileSystemStorage._save", side_effect=OSError(28, "No space left on device")),
        pytest.raises(InvalidInput, match="disk is full or cannot be written") as caught,
    ):
        upload(alice)
    assert caught.value.code == "image_not_stored" and not PromptImage.objects.exists()


def test_one_person_cannot_pile_up_uploads(alice: User) -> None:
    with patch("fusion.runs.images.UNUSED_MAX", 2):
        upload(alice), upload(alice)
        with pytest.raises(InvalidInput) as caught:
            upload(alice)
    assert caught.value.code == "too_many_unused_images"


def test_the_sweep_removes_what_nobody_asked_with_and_files_without_a_row(alice: User) -> None:
    fresh, old, used, gone = upload(alice), upload(alice), upload(alice), upload(alice)
    asked_with(alice, used)
    PromptImage.objects.filter(pk__in=(old.pk, used.pk)).update(created_at=timezone.now() - timedelta(days=2))
    PromptImage.objects.filter(pk=gone.pk).delete()  # as when its team is deleted for good
    for image in (old, gone):
        os.utime(path_of(image), (0, 0))
    assert sweep_images() == 2
    assert set(PromptImage.objects.values_list("pk", flat=True)) == {fresh.pk, used.pk}
    assert [path_of(image).exists() for image in (fresh, old, used, gone)] == [True, False, True, False]


def test_a_file_that_has_no_row_yet_is_left_alone(alice: User) -> None:
    image = upload(alice)
    PromptImage.objects.all().delete()
    assert sweep_images() == 0 and path_of(image).exists()


def test_a_deleted_run_keeps_its_files_and_one_that_is_gone_for_good_does_not(alice: User) -> None:
    run = asked_with(alice, image := upload(alice))
    services.stop_run(run=run, person=alice)
    services.delete_run(run=run, person=alice)
    os.utime(path_of(image), (0, 0))
    assert sweep_images() == 0 and path_of(image).exists()
    Run.objects.filter(pk=run.pk).delete()
    assert sweep_images() == 1 and not path_of(image).exists()


# --- a run -----------------------------------------------------------------------------------------------


async def ask(person: User, pool: Any, *, images: int = 1, key: str = "k1", **more: Any) -> Run:
    def start() -> Run:
        return services.start_run(
            author=person,
            pool=pool,
            prompt="What is it?",
            idempotency_key=key,
            images=[upload(person) for _ in range(images)],
            **more,
        )

    return await db(start)()


@pytest.mark.django_db(transaction=True)
async def test_images_are_sent_to_who_takes_them_and_the_record_says_who_did_and_who_did_not(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-blind-tokens30")
    record = await ended(await ask(person, pool, images=2))
    assert record.state is RunState.DONE
    assert upstream.stats.images == {"m-b-tokens20": 2, "m-blind-tokens30": 2, "judge-tokens5": 2}
    assert upstream.stats.asked["m-blind-tokens30"] == 2
    assert {letter: answer.sight for letter, answer in record.answers.items()} == {"A": Sight.SEEN, "B": Sight.REFUSED}
    assert record.judge.sight is Sight.SEEN
    refused = [
        call.ended for call in record.calls.values() if call.ended is not None and call.ended.failure is not None
    ]
    assert [call.failure.code for call in refused if call.failure] == ["provider_images_refused"]


@pytest.mark.django_db(transaction=True)
async def test_what_is_stored_of_a_run_with_images_equals_what_was_live(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-blind-tokens30", judge="judge-blind-tokens5")
    run = await ask(person, pool, mode="merge")
    stored = await ended(run)
    live = LIVE.get(str(run.public_id))
    assert live is not None
    assert stored.images == live.record.images != ()
    assert [answer.sight for answer in stored.answers.values()] == [
        answer.sight for answer in live.record.answers.values()
    ]
    assert stored.judge.sight is live.record.judge.sight is Sight.REFUSED


@pytest.mark.django_db(transaction=True)
async def test_who_cannot_see_is_left_out_when_asked_so_and_cannot_be_asked_again(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-blind-tokens30", "m-c-tokens25")
    run = await ask(person, pool, blind_members="leave_out")
    record = await ended(run)
    assert record.state is RunState.DONE
    assert (record.answers["B"].state, record.answers["B"].sight) == (AnswerState.LEFT_OUT, Sight.LEFT_OUT)
    await db(run.refresh_from_db)()
    with pytest.raises(RunStateConflict, match="B cannot see the images"):
        await db(services.retry_answer)(run=run, person=person, letter="B")
    with pytest.raises(RunStateConflict, match="Nothing is missing"):
        await db(services.resume_run)(run=run, person=person)


@pytest.mark.django_db(transaction=True)
async def test_an_answer_asked_anew_and_a_second_judgement_get_the_images_too(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30")
    run = await ask(person, pool)
    await ended(run)
    first = LIVE.get(str(run.public_id))
    await db(services.retry_answer)(run=run, person=person, letter="A")
    await ended(run, after=first)
    second = LIVE.get(str(run.public_id))
    await db(finals.rejudge_run)(run=run, person=person)
    record = await ended(run, after=second)
    assert upstream.stats.images == {"m-b-tokens20": 2, "m-a-tokens30": 1, "judge-tokens5": 2}
    assert record.answers["A"].sight is Sight.SEEN and record.judge.sight is Sight.SEEN


@pytest.mark.django_db(transaction=True)
async def test_a_run_whose_file_is_gone_fails_with_the_reason_and_asks_nobody(
    worker: Worker, upstream: Upstream, person: User
) -> None:
    pool = await db(pool_of)(person, "m-b-tokens20", "m-a-tokens30")

    def start() -> Run:
        image = upload(person)
        path_of(image).unlink()
        return services.start_run(author=person, pool=pool, prompt="What?", idempotency_key="k1", images=[image])

    run = await db(start)()
    while await db(lambda: Run.objects.get(pk=run.pk).is_in_flight)():  # noqa: ASYNC110 - it ends before it is live
        await asyncio.sleep(0.01)
    record = await db(load_record)(run)
    assert record.state is RunState.FAILED and record.failure is not None and record.failure.code == "image_gone"
    assert not upstream.stats.asked


# --- taking it away ----------------------------------------------------------------------------------------


def test_exports_name_the_images_with_their_size_and_how_each_member_got_them(alice: User) -> None:
    run = make_run(alice)
    PromptImage.objects.filter(pk=upload(alice).pk).update(run=run)
    run.answers.filter(letter="A").update(state="done", text="A square.", sight="seen")
    run.answers.filter(letter="B").update(state="done", text="I cannot see.", sight="told")
    run.answers.filter(letter="C").update(state="left_out", sight="left_out")
    record = load_record(run)
    exported = record_to_document(record)
    (image,) = exported["images"]
    assert (image["media_type"], image["width"], image["height"]) == ("image/png", 60, 40) and image["bytes"] > 0
    assert [answer["images"] for answer in exported["answers"]] == ["seen", "told", "left_out"]
    json.dumps(exported)
    report = record_to_markdown(record)
    assert f"- PNG, 60 × 40 pixels, {image['bytes']:,} bytes" in report
    assert "done, saw the images" in report and "done, cannot see and was told of the images" in report
    assert "left out, cannot see and was left out" in report


@pytest.mark.django_db(transaction=True)
def test_the_command_line_takes_images_and_says_what_is_wrong_with_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "a.png", tmp_path / "b.png"
    good.write_bytes(picture())
    bad.write_bytes(b"<svg>")
    with pytest.raises(CommandError, match=r"b\.png: This is no PNG, JPEG or WebP image"):
        call_command("fuse", "What is it?", images=[str(bad)], quiet=True)
    with pytest.raises(CommandError, match=r"none\.png cannot be read: No such file"):
        call_command("fuse", "What is it?", images=[str(tmp_path / "none.png")], quiet=True)
    at_once = patch.object(SimulatedProvider, "_scaled", return_value=0.0)
    with at_once, pytest.raises(SystemExit) as ended_with:
        call_command("fuse", "What is it?", images=[str(good)], json=True, quiet=True)
    assert ended_with.value.code == 0
    answers = json.loads(capfd.readouterr().out)["answers"]
    assert {answer["letter"]: answer["images"] for answer in answers} == {"A": "seen", "B": "told", "C": "seen"}
