"""Events are cut from bytes as the standard says, however the reads fall."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.errors import WireError
from turnkeep.wire.sse import EventParser, ServerEvent, render_comment, render_event


def parse(*pieces: bytes, **limits: int) -> list[ServerEvent]:
    parser = EventParser(**limits)
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_ends_at_cr_lf_and_crlf(end: bytes) -> None:
    stream = end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])
    assert parse(stream) == [ServerEvent("a\nb"), ServerEvent("c")]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data:a\n\n", "a"),
        (b"data: a\n\n", "a"),
        (b"data:  a\n\n", " a"),  # only the first space is not part of it
        (b"data\n\n", ""),
        (b"data:\ndata:\n\n", "\n"),
        (b"\xef\xbb\xbfdata: a\n\n", "a"),
        ("data: {\"t\": \"a\u2028b\u2029c\x0b\x0c\x1c\x85\"}\n\n".encode(), '{"t": "a\u2028b\u2029c\x0b\x0c\x1c\x85"}'),
        (b"id: 7\nretry: 10\nwhatever\ndata: a\n\n", "a"),
    ],
)  # fmt: skip
def test_a_data_line_is_read(stream: bytes, data: str) -> None:
    assert parse(stream) == [ServerEvent(data)]


def test_an_event_has_a_name() -> None:
    assert parse(b"event: error\ndata: x\n\ndata: y\n\n") == [ServerEvent("x", "error"), ServerEvent("y")]


def test_comments_and_events_without_data_are_nothing() -> None:
    assert parse(b": ping\n\n:\n\nevent: x\n\n\n\n") == []


def test_an_event_cut_short_by_the_end_is_none() -> None:
    assert parse(b"data: a\n\ndata: b\n") == [ServerEvent("a")]


def test_a_byte_order_mark_is_one_only_at_the_start() -> None:
    assert parse(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [ServerEvent("a")]


def test_an_event_longer_than_the_limit_is_refused() -> None:
    assert parse(b"data: 4567\n\n", max_event_bytes=10) == [ServerEvent("4567")]
    with pytest.raises(WireError, match="longer than 10 bytes"):
        parse(b"data: 45678", max_event_bytes=10)


def test_many_short_lines_of_one_event_count_together() -> None:
    with pytest.raises(WireError, match="longer than"):
        parse(*[b"data: x\n"] * 100, max_event_bytes=100)


def test_a_long_stream_of_short_events_is_no_long_event() -> None:
    parser = EventParser(max_event_bytes=20)
    assert sum(len(list(parser.feed(b"data: x\n\n: c\n"))) for _ in range(100)) == 100


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(WireError, match="UTF-8"):
        parse(b"data: \xff\n\n")


def test_rendering_writes_lines_and_name() -> None:
    assert render_event("a\nb", "x") == b"event: x\ndata: a\ndata: b\n\n"
    assert render_event("") == b"data: \n\n"
    assert render_comment("ping\npong") == b": ping\n: pong\n\n"


@given(
    st.lists(st.tuples(st.text(), st.sampled_from([None, "error", "x"]))), st.data(), st.sampled_from("\n\r")
)
def test_what_is_rendered_is_parsed_again_however_it_is_cut(
    events: list[tuple[str, str | None]], data: st.DataObject, other_end: str
) -> None:
    stream = b"".join(render_comment() + render_event(text, name) for text, name in events)
    stream = stream.replace(b"\n", other_end.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    expected = [
        ServerEvent(text.replace("\r\n", "\n").replace("\r", "\n"), name or "message")
        for text, name in events
    ]
    assert parse(*pieces) == expected


@given(st.lists(st.binary()))
def test_any_bytes_give_events_or_a_wire_error(pieces: list[bytes]) -> None:
    try:
        whole = parse(b"".join(pieces))
    except WireError:
        with pytest.raises(WireError):
            parse(*pieces)
    else:
        assert parse(*pieces) == whole
