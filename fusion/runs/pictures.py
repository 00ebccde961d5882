"""Checking an image by its content and encoding it anew, so that nothing but the picture itself is kept.

What was sent is hostile: it may be no image, a bomb, cut off, or carry a page, a script or somebody's position behind
the picture. Only pixels are taken over.
"""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from django.conf import settings
from PIL import Image as Pillow

from fusion.errors import InvalidInput

FORMATS: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp"}
SIDE_MAX: Final = 2048  # pixels; providers scale down what is larger
STORED_MAX_BYTES: Final = 2_000_000  # in base64 it is a third more, times the images, times the members
PIXELS_MAX: Final = 40_000_000  # four bytes each while it is decoded
SCANS_MAX: Final = 64  # of a progressive JPEG, usually ten; thousands keep a decoder busy for minutes
QUALITY: Final = 88
AT_ONCE: Final = 2
PATIENCE_S: Final = 30.0

_EXIF_ORIENTATION = 0x0112
_TURNS: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_decoding = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is kept. `scaled_from`: its size as it was sent, if that was larger. `was_animated`: this is the
    first frame."""

    data: bytes
    media_type: str
    width: int
    height: int
    scaled_from: tuple[int, int] | None = None
    was_animated: bool = False


def checked_picture(data: bytes) -> Picture:
    """The picture in `data`, without anything else that is in there. Raises InvalidInput with what to do.

    At most AT_ONCE are decoded at a time in this process; it blocks, so it does not belong on an event loop.
    """
    _check_bytes(data)
    if not _decoding.acquire(timeout=PATIENCE_S):
        raise _refused("image_busy", "The server is busy with other images. Send this one again in a moment.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a decoder about a stranger's file: it is taken or refused
            return _picture(data)
    except InvalidInput:
        raise
    except Exception as exc:  # a decoder of foreign bytes: whatever it raises, this is no image that we can take
        raise _unreadable() from exc
    finally:
        _decoding.release()


def check_size(size: int) -> None:
    """Raises InvalidInput for a file of so many bytes, if that alone says enough."""
    limit: int = settings.FUSION_IMAGE_MAX_BYTES
    if not size:
        raise _refused("image_empty", "The file is empty. Choose another one.")
    if size > limit:
        megabytes = f"{size / 1_000_000:.1f}"
        raise _refused(
            "image_too_large",
            f"The file has {megabytes} MB; {limit // 1_000_000} MB are allowed. Save it smaller, or as JPEG.",
        )


def _check_bytes(data: bytes) -> None:
    check_size(len(data))
    size = _webp_size(data)
    if size is not None:
        _check_pixels(*size)  # Pillow makes room for the whole picture when it opens one
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > SCANS_MAX:
        raise _unreadable()


def _picture(data: bytes) -> Picture:
    with Pillow.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
        sent = opened.size
        _check_pixels(*sent)  # from the header: nothing is decoded yet
        media_type = FORMATS[str(opened.format)]
        was_animated = bool(getattr(opened, "is_animated", False)) and opened.format != "MPO"
        turn = _TURNS.get(_orientation(opened))
        opened.draft(None, (SIDE_MAX, SIDE_MAX))  # a large JPEG is decoded at half its size, or less
        opened.load()
        image = _plain(opened)
    image.thumbnail((SIDE_MAX, SIDE_MAX), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    if turn is not None:
        image, sent = image.transpose(turn), (sent[::-1] if turn >= Pillow.Transpose.ROTATE_90 else sent)
    image, encoded = _fitted(image, media_type)
    was_scaled = max(image.size) < max(sent)
    return Picture(encoded, media_type, *image.size, sent if was_scaled else None, was_animated)


def _check_pixels(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise _refused(
            "image_too_many_pixels",
            f"The image has {width:,} × {height:,} pixels; {PIXELS_MAX // 1_000_000} million are allowed. Scale it.",
        )


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a WebP file (RFC 9649, 2.5 to 2.7); None for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def _orientation(image: Pillow.Image) -> int:
    """How the camera was held; unreadable metadata says nothing, and the picture is still one."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # as above: foreign bytes
        return 1


def _plain(image: Pillow.Image) -> Pillow.Image:
    """The pixels alone, in grey, RGB or RGBA: palettes, colour profiles, text and thumbnails stay behind.

    A profile is dropped and not applied: colours shift a little, and no parser of profiles meets a stranger's file.
    """
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        plain = image.convert("RGBA")
    elif image.mode.startswith("I"):
        plain = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    else:
        plain = image.convert("L" if image.mode in ("1", "L") else "RGB")
    plain = plain.copy()
    plain.info.clear()
    return plain


def _fitted(image: Pillow.Image, media_type: str) -> tuple[Pillow.Image, bytes]:
    """Encoded as it came, in a format and at a size that a provider takes."""
    encoded = _encoded(image, media_type)
    while len(encoded) > STORED_MAX_BYTES:
        share = max(0.5, 0.95 * math.sqrt(STORED_MAX_BYTES / len(encoded)))
        smaller = (max(1, int(image.width * share)), max(1, int(image.height * share)))
        image = image.resize(smaller, Pillow.Resampling.LANCZOS)
        encoded = _encoded(image, media_type)
    return image, encoded


def _encoded(image: Pillow.Image, media_type: str) -> bytes:
    file = BytesIO()
    if media_type == "image/png":
        image.save(file, "PNG")
    elif media_type == "image/jpeg":
        image.save(file, "JPEG", quality=QUALITY)
    else:
        image.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def _unreadable() -> InvalidInput:
    return _refused(
        "image_unreadable",
        "This is no PNG, JPEG or WebP image that can be read, or it is damaged. Save it anew as one.",
    )


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, code=code, field="images")
