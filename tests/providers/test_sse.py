from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.errors import ProviderMalformed
from fusion.providers.sse import SSEParser

STREAM = 'event: x\ndata: {"a": "é🙂"}\n\n: comment\n\ndata: one\ndata: two\nid: 3\n\ndata:no space\n\ndata\n\n'
PAYLOADS = ['{"a": "é🙂"}'.encode(), b"one\ntwo", b"no space", b""]


def parse(pieces: list[bytes]) -> list[bytes]:
    parser = SSEParser()
    found = [payload for piece in pieces for payload in parser.feed(piece)]
    return found + parser.finish()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_lf_crlf_or_cr(line_end: str) -> None:
    assert parse([STREAM.replace("\n", line_end).encode()]) == PAYLOADS


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_stream_may_be_split_at_every_byte(line_end: str) -> None:
    stream = STREAM.replace("\n", line_end).encode()
    assert parse([bytes([byte]) for byte in stream]) == PAYLOADS
    for cut in range(len(stream)):
        assert parse([stream[:cut], stream[cut:]]) == PAYLOADS


@given(st.data())
def test_any_split_of_any_mix_of_line_ends_gives_the_same_events(data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=12, max_size=12))
    lines = STREAM.encode().split(b"\n")
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(pieces) == parse([stream])


def test_a_byte_order_mark_at_the_start_is_skipped() -> None:
    assert parse([b"\xef\xbb\xbfdata: x\n\n"]) == [b"x"]


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    assert parse([b"data: a\n\nda", b"ta: b"]) == [b"a", b"b"]


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    parser = SSEParser(max_line_bytes=1000)
    assert not list(parser.feed(b"data: " + b"x" * 900))
    with pytest.raises(ProviderMalformed):
        list(parser.feed(b"x" * 200))


def test_a_complete_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(ProviderMalformed):
        list(SSEParser(max_line_bytes=1000).feed(b"data: " + b"x" * 1200 + b"\n"))


def test_an_event_of_endless_lines_is_refused() -> None:
    parser = SSEParser(max_event_bytes=1000)
    with pytest.raises(ProviderMalformed):
        for _ in range(2000):
            list(parser.feed(b"data: xxxxxxxxx\ndata:\n"))


def test_many_short_lines_of_one_event_count_for_the_memory_that_they_take() -> None:
    parser = SSEParser(max_event_bytes=100_000)
    with pytest.raises(ProviderMalformed):
        list(parser.feed(b"data:xy\n" * 5_000))


@pytest.mark.parametrize(
    "fault", [b"data: " + b"x" * 2000 + b"\n\n", b"data: " + b"x" * 2000], ids=["a long line", "a line without end"]
)
def test_events_before_a_fault_are_given_though_they_came_in_the_same_read(fault: bytes) -> None:
    events = SSEParser(max_line_bytes=1000).feed(b"data: a\n\ndata: b\n\n" + fault)
    assert [next(events), next(events)] == [b"a", b"b"]
    with pytest.raises(ProviderMalformed):
        next(events)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b""])
def test_what_no_event_stream_has_is_kept_to_be_told(line_end: bytes) -> None:
    parser = SSEParser()
    stream = b": comment\nid: 1\nretry\nevent: x\n\n" + b'{"error": "out of memory"}' + line_end
    assert not [payload for byte in stream for payload in parser.feed(bytes([byte]))] and not parser.finish()
    assert parser.stray == b'{"error": "out of memory"}'


def test_little_is_kept_of_what_no_event_stream_has() -> None:
    parser = SSEParser()
    list(parser.feed(b"x" * 100_000 + b"\nsecond\n"))
    assert parser.stray == b"x" * 4096
