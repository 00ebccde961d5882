"""Image files for tests, made as they are needed."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def picture(kind: str = "PNG", *, size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue (in colour modes), as a whole file."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    file = BytesIO()
    image.convert(mode).save(file, kind, **options)
    return file.getvalue()


def animation(kind: str = "WEBP") -> bytes:
    """Two frames, the first one red."""
    file = BytesIO()
    first, second = Image.new("RGB", (20, 20), "red"), Image.new("RGB", (20, 20), "blue")
    first.save(file, kind, save_all=True, append_images=[second], duration=100)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A small file whose header promises a picture of any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def webp_of(width: int, height: int) -> bytes:
    """The same as an extended WebP."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + b"VP8L" + struct.pack("<I", 6) + b"\x2f" + b"\0" * 5
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
