"""Telling hidden reasoning from visible text when a model writes both into one stream."""

from __future__ import annotations

from fusion.engine.types import ReasoningDelta, TextDelta

_OPEN = "<think>"
_CLOSE = "</think>"
_MAX_INDENT = 1000  # characters; what begins with more white space is no block


class ThinkSplitter:
    """Splits `<think>…</think>` at the very start of a text from what follows, wherever the pieces are cut.

    Only a block that opens the text counts: a later one is something the model wrote about. White space before the
    block and between the block and the text belongs to neither.
    """

    def __init__(self) -> None:
        self._state = "start"  # start -> inside -> gap -> text
        self._held = ""

    def feed(self, piece: str) -> list[TextDelta | ReasoningDelta]:
        """What can be told apart after `piece`; the pieces are never empty."""
        if self._state == "text":
            return [TextDelta(piece)] if piece else []
        self._held += piece
        found: list[TextDelta | ReasoningDelta] = []
        if self._state == "start":
            self._open()
        if self._state == "inside":
            found += self._inside()
        if self._state == "gap":
            self._skip_gap()
        if self._state == "text" and self._held:
            found.append(TextDelta(self._held))
            self._held = ""
        return found

    def finish(self) -> list[TextDelta | ReasoningDelta]:
        """What was still held back when the stream ended."""
        held, self._held = self._held, ""
        if not held or self._state == "gap":
            return []
        return [ReasoningDelta(held) if self._state == "inside" else TextDelta(held)]

    def _open(self) -> None:
        text = self._held.lstrip()
        if text.startswith(_OPEN):
            self._state, self._held = "inside", text[len(_OPEN) :]
        elif not _OPEN.startswith(text) or len(self._held) > _MAX_INDENT:
            self._state = "text"

    def _inside(self) -> list[TextDelta | ReasoningDelta]:
        reasoning, close, rest = self._held.partition(_CLOSE)
        if close:
            self._state, self._held = "gap", rest
        else:
            kept = _overlap(reasoning, _CLOSE)
            reasoning, self._held = reasoning[: len(reasoning) - kept], reasoning[len(reasoning) - kept :]
        return [ReasoningDelta(reasoning)] if reasoning else []

    def _skip_gap(self) -> None:
        self._held = self._held.lstrip()
        if self._held:
            self._state = "text"


class SurrogateJoiner:
    """Joins an emoji whose two UTF-16 halves came in two chunks; a half that stays alone becomes U+FFFD.

    JSON may escape half a pair; such a string cannot be encoded as UTF-8 and must not travel further.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        if not self._half and piece.isascii():
            return piece
        piece, self._half = self._half + piece, ""
        if "\ud800" <= piece[-1:] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return _encodable(piece)

    def finish(self) -> str:
        half, self._half = self._half, ""
        return _encodable(half)


def _encodable(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` could be the start of `mark`."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:size])), 0)
