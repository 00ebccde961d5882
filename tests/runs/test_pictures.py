"""What is taken for an image, what is kept of it, and that nothing hostile gets through or hurts."""

from __future__ import annotations

import threading
import time
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from fusion.errors import InvalidInput
from fusion.runs import pictures
from fusion.runs.pictures import SIDE_MAX, STORED_MAX_BYTES, Picture, checked_picture
from tests.pictures import animation, picture, png_of, webp_of

SCRIPT = b"<html><script>alert(1)</script></html>"


def opened(kept: Picture) -> Image.Image:
    image = Image.open(BytesIO(kept.data))
    image.load()
    return image


def refusal(data: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        checked_picture(data)
    assert caught.value.field == "images"
    return caught.value


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_image_keeps_its_format_its_size_and_its_picture(kind: str, media_type: str) -> None:
    kept = checked_picture(picture(kind))
    assert (kept.media_type, kept.width, kept.height) == (media_type, 60, 40)
    assert kept.scaled_from is None and not kept.was_animated
    image = opened(kept).convert("RGB")
    assert image.size == (60, 40) and image.format is None
    red, blue = image.getpixel((10, 20)), image.getpixel((50, 20))
    assert isinstance(red, tuple) and isinstance(blue, tuple)
    assert red[0] > 200 > 60 > red[2] and blue[2] > 200 > 60 > blue[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_nothing_but_pixels_is_kept(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRET CAMERA"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"SECRET PROFILE" * 20}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Author", "SECRET AUTHOR")
    if kind == "JPEG":
        options["comment"] = b"SECRET COMMENT"
    if kind == "WEBP":
        options["xmp"] = b"<x>SECRET XMP</x>"
    sent = picture(kind, **options)
    assert b"SECRET" in sent
    kept = checked_picture(sent)
    assert b"SECRET" not in kept.data
    assert not opened(kept).getexif() and "icc_profile" not in opened(kept).info


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_page_or_a_script_behind_the_picture_is_gone(kind: str) -> None:
    kept = checked_picture(picture(kind) + SCRIPT)
    assert b"script" not in kept.data and (kept.width, kept.height) == (60, 40)


def test_a_photo_stands_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    kept = checked_picture(picture("JPEG", exif=exif))
    assert (kept.width, kept.height) == (40, 60) and kept.scaled_from is None
    top = opened(kept).getpixel((20, 5))
    assert isinstance(top, tuple) and top[0] > 200


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "I;16"])
def test_whatever_pixels_are_made_of_can_be_read(mode: str) -> None:
    source = Image.new("I;16", (30, 20), 40_000) if mode == "I;16" else Image.new("RGB", (30, 20), "red").convert(mode)
    file = BytesIO()
    source.save(file, "PNG")
    kept = checked_picture(file.getvalue())
    assert opened(kept).mode in ("L", "RGB", "RGBA")
    if mode == "I;16":
        assert opened(kept).getpixel((1, 1)) == 40_000 // 256


def test_a_jpeg_for_printers_becomes_one_for_screens() -> None:
    assert opened(checked_picture(picture("JPEG", mode="CMYK"))).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_kept(kind: str) -> None:
    kept = checked_picture(animation(kind))
    assert kept.was_animated and not getattr(opened(kept), "is_animated", False)
    first = opened(kept).convert("RGB").getpixel((5, 5))
    assert isinstance(first, tuple) and first[0] > 200


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_large_image_is_scaled_down_and_says_from_what(kind: str) -> None:
    kept = checked_picture(picture(kind, size=(3000, 1000)))
    assert (kept.width, kept.scaled_from) == (SIDE_MAX, (3000, 1000))
    assert 680 <= kept.height <= 684


def test_an_image_that_cannot_be_packed_is_scaled_until_it_fits() -> None:
    file = BytesIO()
    Image.effect_noise((1500, 1500), 120).convert("RGB").save(file, "PNG")
    assert len(file.getvalue()) > STORED_MAX_BYTES
    kept = checked_picture(file.getvalue())
    assert len(kept.data) <= STORED_MAX_BYTES and kept.width == kept.height < 1500
    assert kept.scaled_from == (1500, 1500)


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(100),
        b"BM" + bytes(100),
        SCRIPT,
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        bytes(5_000),
        png_of(0, 0),
        webp_of(50, 50),
    ],
)
def test_what_is_no_image_of_these_kinds_is_refused_in_one_sentence(data: bytes) -> None:
    assert refusal(data).code == "image_unreadable"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO"])
def test_images_of_other_kinds_are_refused(kind: str) -> None:
    assert refusal(picture(kind)).code == "image_unreadable"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_that_was_cut_off_is_refused(kind: str) -> None:
    whole = picture(kind, size=(400, 300))
    for share in (0.1, 0.5, 0.9):
        assert refusal(whole[: int(len(whole) * share)]).code == "image_unreadable"


def test_an_empty_file_is_said_to_be_empty() -> None:
    assert refusal(b"").code == "image_empty"


def test_a_file_that_is_too_large_is_refused_with_both_numbers(settings: Any) -> None:
    settings.FUSION_IMAGE_MAX_BYTES = 1_000_000
    failure = refusal(picture() + bytes(2_500_000))
    assert failure.code == "image_too_large"
    assert failure.message == "The file has 2.5 MB; 1 MB are allowed. Save it smaller, or as JPEG."


@pytest.mark.parametrize("data", [png_of(100_000, 100_000), png_of(8_000, 5_001), webp_of(16_383, 16_383)])
def test_a_bomb_is_refused_by_its_header_before_anything_is_decoded(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    started = time.process_time()  # of this process alone: the machine may be busy with something else
    assert refusal(data).code in ("image_too_many_pixels", "image_unreadable")
    assert time.process_time() - started < 1.0


def test_a_jpeg_of_a_thousand_scans_is_refused_unread() -> None:
    sent = picture("JPEG", progressive=True)
    scan = sent[sent.index(b"\xff\xda") : -2]
    assert refusal(sent[:-2] + scan * 200 + b"\xff\xd9").code == "image_unreadable"
    assert checked_picture(sent).media_type == "image/jpeg"


def test_only_so_many_are_decoded_at_once_and_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock, may_end = 0, 0, threading.Lock(), threading.Event()

    def slow(data: bytes) -> Picture:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        may_end.wait(10)
        with lock:
            inside -= 1
        return Picture(data, "image/png", 1, 1)

    monkeypatch.setattr(pictures, "_picture", slow)
    monkeypatch.setattr(pictures, "PATIENCE_S", 0.05)
    threads = [threading.Thread(target=checked_picture, args=(picture(),)) for _ in range(pictures.AT_ONCE)]
    for thread in threads:
        thread.start()
    while inside < pictures.AT_ONCE:
        time.sleep(0.001)
    assert refusal(picture()).code == "image_busy"
    may_end.set()
    for thread in threads:
        thread.join()
    assert most == pictures.AT_ONCE
