"""Images on the pages: taken with and without scripts, kept when something is wrong, shown to the team alone."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from fusion.models import PromptImage, Run, User
from fusion.models.attachment import image_storage
from fusion.models.team import Role
from fusion.runs.images import take_image
from fusion.web.bodies import body_limit
from tests.factories import MemberSpec, client_of, make_pool, make_run, make_user, team_of
from tests.pictures import picture


@pytest.fixture(autouse=True)
def _no_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are created, nothing is asked."""
    monkeypatch.setattr("fusion.runs.services.dispatch_run", lambda run_pk: None)


def file(name: str = "cat.png", content: bytes | None = None, **options: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture(**options) if content is None else content)


def upload(person: User) -> PromptImage:
    return take_image(author=person, team=team_of(person), data=picture())[0]


def text_of(response: Any) -> str:
    text: str = response.content.decode()
    return text


def question(pool: Any, **more: Any) -> dict[str, Any]:
    return {"prompt": "What is it?", "pool": str(pool.public_id), "mode": "best-of", "idempotency_key": "k1", **more}


# --- sending one ahead -----------------------------------------------------------------------------------


def test_an_upload_answers_with_a_thumbnail_and_the_field_that_sends_it(alice: User) -> None:
    response = client_of(alice).post("/images", {"images": [file(), file("dog.jpg", kind="JPEG")]})
    assert response.status_code == 201
    first, second = PromptImage.objects.order_by("pk")
    text = text_of(response)
    for image in (first, second):
        assert f'name="image" value="{image.public_id}" checked' in text
        assert f'src="/images/{image.public_id}"' in text
    assert "PNG · 60 × 40" in text and "JPEG · 60 × 40" in text
    assert (first.author, first.team, first.run) == (alice, team_of(alice), None)


def test_each_file_that_cannot_be_taken_says_why_and_the_others_are_taken(alice: User) -> None:
    bad = file('<img src="x" onerror="1">.png', b"<svg onload=alert(1)>")
    response = client_of(alice).post("/images", {"images": [file(), bad, file("none.png", b"")]})
    assert response.status_code == 201 and PromptImage.objects.count() == 1
    text = text_of(response)
    assert (
        "This is no PNG, JPEG or WebP image" in text
        and "<img src=&quot;x&quot;" not in text
        and 'onerror="' not in text
    )
    assert "&lt;img src=&quot;x&quot;" in text


def test_an_upload_without_any_image_is_refused(alice: User) -> None:
    client = client_of(alice)
    nothing = client.post("/images")
    assert nothing.status_code == 422 and "No image was sent" in text_of(nothing)
    wrong = client.post("/images", {"images": file("a.png", b"GIF89a")})
    assert wrong.status_code == 422 and "data-image-problem" in text_of(wrong)


def test_more_files_than_a_question_may_have_are_not_looked_at(alice: User, settings: Any) -> None:
    settings.FUSION_IMAGES_PER_PROMPT = 2
    with patch("fusion.web.uploads.take_image", side_effect=take_image) as taken:
        response = client_of(alice).post("/images", {"images": [file() for _ in range(50)]})
    assert taken.call_count == 2 and PromptImage.objects.count() == 2
    assert "48 images were left away: 2 are allowed in a question." in text_of(response)


def test_a_hundred_thousand_files_end_with_a_page_and_take_nothing(alice: User) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n\r\n'
    body = part * 100_000 + b"--x--\r\n"
    response = client_of(alice).post("/images", body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 400 and not PromptImage.objects.exists()


def test_who_may_not_ask_is_told_whom_to_ask(alice: User) -> None:
    viewer = make_user("viewer", team=team_of(alice), role=Role.VIEWER)
    response = client_of(viewer).post("/images", {"images": file()})
    assert response.status_code == 403 and "Ask a team admin" in text_of(response)


def test_a_change_on_the_way_is_said_beside_the_thumbnail(alice: User) -> None:
    text = text_of(client_of(alice).post("/images", {"images": file(size=(3000, 1000))}))
    assert "scaled down from 3000 × 1000" in text


def test_an_upload_needs_the_token_of_the_page(alice: User) -> None:
    response = client_of(alice, enforce_csrf_checks=True).post("/images", {"images": file()})
    assert response.status_code == 403 and not PromptImage.objects.exists()


# --- looking at one ----------------------------------------------------------------------------------------


def test_an_image_is_a_picture_and_nothing_else(alice: User) -> None:
    image = upload(alice)
    response = client_of(alice).get(f"/images/{image.public_id}")
    assert response.status_code == 200 and response["Content-Type"] == "image/png"
    assert len(response.content) == image.bytes and response.content.startswith(b"\x89PNG")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == f'inline; filename="fusion-image-{str(image.public_id)[:8]}.png"'
    assert response["Cache-Control"] == "private, max-age=31536000, immutable" and "Cookie" in response["Vary"]
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_to_others_an_image_does_not_exist(alice: User, bob: User, charlie: User) -> None:
    unused, shared, private = upload(alice), upload(alice), upload(alice)
    PromptImage.objects.filter(pk=shared.pk).update(run=make_run(alice))
    PromptImage.objects.filter(pk=private.pk).update(run=make_run(alice, is_private=True))
    statuses = {
        person.get_short_name(): [
            client_of(person).get(f"/images/{image.public_id}").status_code for image in (unused, shared, private)
        ]
        for person in (alice, bob, charlie)
    }
    assert statuses == {"Alice": [200, 200, 200], "Bob": [404, 200, 404], "Charlie": [404, 404, 404]}
    assert client_of(charlie).get(f"/images/{uuid4()}").status_code == 404
    anonymous = Client().get(f"/images/{shared.public_id}")
    assert anonymous.status_code == 302 and "/accounts/login/" in anonymous["Location"]


def test_no_address_leads_to_the_files_themselves(alice: User) -> None:
    image = upload(alice)
    for prefix in ("/static/", "/media/", "/uploads/", "/uploads/images/", "/images/"):
        assert client_of(alice).get(f"{prefix}{image.name}").status_code == 404


def test_an_image_whose_file_is_gone_is_not_found(alice: User) -> None:
    image = upload(alice)
    os.unlink(image_storage().path(image.name))
    assert client_of(alice).get(f"/images/{image.public_id}").status_code == 404


# --- asking ------------------------------------------------------------------------------------------------


def test_without_scripts_the_form_brings_its_images_along(alice: User) -> None:
    pool = make_pool(alice)
    page = text_of(client_of(alice).get("/"))
    assert 'enctype="multipart/form-data"' in page and 'type="file" name="images"' in page
    response = client_of(alice).post("/runs", question(pool, images=[file(), file("b.webp", kind="WEBP")]))
    assert response.status_code == 302
    run = Run.objects.get()
    assert [image.media_type for image in run.images.all()] == ["image/png", "image/webp"]
    assert run.blind_members == "tell"


def test_images_that_were_sent_ahead_are_asked_with(alice: User) -> None:
    pool, images = make_pool(alice), [upload(alice), upload(alice)]
    ids = [str(image.public_id) for image in reversed(images)]
    client_of(alice).post("/runs", question(pool, image=ids, blind_members="leave_out"))
    run = Run.objects.get()
    assert [str(image.public_id) for image in run.images.all()] == ids and run.blind_members == "leave_out"


def test_a_refused_question_keeps_its_text_its_images_and_the_choice(alice: User) -> None:
    pool, image = make_pool(alice), upload(alice)
    sent = question(pool, image=[str(image.public_id)], images=[file()], blind_members="leave_out", prompt=" ")
    response = client_of(alice).post("/runs", sent)
    text = text_of(response)
    assert response.status_code == 422 and not Run.objects.exists()
    assert PromptImage.objects.filter(run=None).count() == 2
    for kept in PromptImage.objects.all():
        assert f'name="image" value="{kept.public_id}" checked' in text
    assert 'value="leave_out" checked' in text


def test_a_file_that_is_no_image_stops_the_question_and_loses_nothing(alice: User) -> None:
    pool = make_pool(alice)
    response = client_of(alice).post("/runs", question(pool, images=[file(), file("notes.png", b"%PDF-1.7")]))
    text = text_of(response)
    assert response.status_code == 422 and not Run.objects.exists()
    assert "notes.png: This is no PNG, JPEG or WebP image" in text and "What is it?" in text
    assert f'value="{PromptImage.objects.get().public_id}" checked' in text


def test_an_image_of_somebody_else_or_none_at_all_stops_the_question(alice: User, charlie: User) -> None:
    pool, theirs = make_pool(alice), upload(charlie)
    for ids in ([str(theirs.public_id)], [str(uuid4())], ["../../etc/passwd"]):
        response = client_of(alice).post("/runs", question(pool, image=ids))
        assert response.status_code == 422 and "1 of the images is not there any more" in text_of(response)
    theirs.refresh_from_db()
    assert theirs.run is None and not Run.objects.exists()


def test_the_same_form_twice_is_one_run_and_another_image_makes_another_question(alice: User) -> None:
    pool, image = make_pool(alice), upload(alice)
    client = client_of(alice)
    for _ in range(2):
        client.post("/runs", question(pool, image=[str(image.public_id)]))
        client.post("/runs", question(pool, images=[file()]))  # the same picture, without scripts
    assert Run.objects.count() == 1
    client.post("/runs", question(pool, images=[file(kind="JPEG")]))
    client.post("/runs", question(pool))
    assert [run.images.count() for run in Run.objects.order_by("pk")] == [1, 1, 0]


def test_a_panel_of_which_nobody_sees_is_refused_where_such_members_are_left_out(alice: User) -> None:
    pool = make_pool(alice, members=(MemberSpec("sim:terse"), MemberSpec("sim:sceptic")), anchor=0)
    response = client_of(alice).post("/runs", question(pool, images=[file()], blind_members="leave_out"))
    assert response.status_code == 422 and "No member of this pool can see images" in text_of(response)


def test_the_composer_says_who_cannot_see(alice: User) -> None:
    make_pool(alice)
    assert "Cannot see images: B (Simulated · Terse)." in text_of(client_of(alice).get("/"))


def test_a_site_that_takes_no_images_offers_none(alice: User, settings: Any) -> None:
    settings.FUSION_IMAGES_PER_PROMPT = 0
    pool = make_pool(alice)
    assert 'type="file"' not in text_of(client_of(alice).get("/"))
    response = client_of(alice).post("/runs", question(pool, images=[file()]))
    assert response.status_code == 422 and "none are allowed in a question" in text_of(response)


# --- the run ------------------------------------------------------------------------------------------------


def test_the_page_of_a_run_shows_its_images_and_how_each_member_got_them(alice: User) -> None:
    run = make_run(alice)
    image = upload(alice)
    PromptImage.objects.filter(pk=image.pk).update(run=run)
    run.answers.filter(letter="A").update(state="done", text="A square.", sight="seen")
    run.answers.filter(letter="B").update(state="done", text="No idea.", sight="refused")
    run.answers.filter(letter="C").update(state="left_out", sight="left_out")
    text = text_of(client_of(alice).get(f"/r/{run.public_id}"))
    assert f'src="/images/{image.public_id}" alt="Image 1 of the question"' in text
    assert "saw the image</span>" in text and "refused the image, was told of an image</span>" in text
    assert "Left out: it cannot see the image of this question." in text
    assert 'id="retry-C"' not in text and 'id="retry-B"' in text


def test_asking_again_and_editing_take_the_images_along(alice: User) -> None:
    run = make_run(alice, blind_members="leave_out")
    image = upload(alice)
    PromptImage.objects.filter(pk=image.pk).update(run=run)
    client = client_of(alice)
    page = text_of(client.get(f"/r/{run.public_id}"))
    assert f'<input type="hidden" name="image" value="{image.public_id}">' in page
    edited = text_of(client.get("/", {"from": str(run.public_id)}))
    assert f'name="image" value="{image.public_id}" checked' in edited and 'value="leave_out" checked' in edited
    client.post("/runs", question(run.pool_version.pool, image=[str(image.public_id)], idempotency_key="again"))
    again = Run.objects.exclude(pk=run.pk).get()
    assert again.images.get().sha256 == image.sha256 and again.images.get().pk != image.pk


def test_the_history_says_how_many_images_came_with_a_question(alice: User) -> None:
    run = make_run(alice)
    PromptImage.objects.filter(pk__in=[upload(alice).pk, upload(alice).pk]).update(run=run)
    assert "2 images" in text_of(client_of(alice).get("/history"))


# --- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/images", "multipart/form-data; boundary=x", 200),
        ("/runs", "multipart/form-data; boundary=x", 200),
        ("/runs", "application/x-www-form-urlencoded", 413),
        ("/pools/new", "multipart/form-data; boundary=x", 413),
    ],
)
def test_only_a_form_that_may_bring_images_may_be_that_large(
    rf: Any, settings: Any, path: str, kind: str, status: int
) -> None:
    size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
    request = rf.generic("POST", path, b"x", content_type=kind, CONTENT_LENGTH=str(size), HTTP_HX_REQUEST="true")
    assert body_limit(lambda _: HttpResponse())(request).status_code == status
    request.META["CONTENT_LENGTH"] = str(settings.FUSION_UPLOAD_MAX_BYTES + 1)
    assert body_limit(lambda _: HttpResponse())(request).status_code == 413


def test_a_question_that_was_signed_out_says_that_its_files_are_to_be_added_again(alice: User) -> None:
    response = Client().post("/runs", {"prompt": "Why?", "images": [file()]}, headers={"Origin": "http://testserver"})
    assert response.status_code == 401
    assert "have to be added again" in text_of(response) and "Why?" in text_of(response)
    assert reverse("account_login") in text_of(response)
