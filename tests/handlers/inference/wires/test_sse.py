"""Given a stream of events, when it is cut anywhere, then the same events come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.inference.wires import UpstreamShapeError, sse
from handlers.inference.wires.sse import Events

STREAM = b"event: a\ndata: 1\n\n: comment\n\nevent:b\ndata:2\ndata: 3\nid: 9\n\ndata\n\ndata: \xc3\xa9\n\nevent: c\n\n"
EVENTS = [("a", b"1"), ("b", b"2\n3"), ("", b""), ("", b"\xc3\xa9")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@given(cuts=st.lists(st.integers(1, 12), max_size=60))
def test_cutting_changes_nothing(line_end: bytes, cuts: list[int]) -> None:
    data, events, at = STREAM.replace(b"\n", line_end), Events(), 0
    seen: list[tuple[str, bytes]] = []
    for size in [*cuts, len(data)]:
        seen += events.feed(data[at : at + size])
        at += size

    assert seen + events.finish() == EVENTS


def test_the_last_event_needs_no_blank_line() -> None:
    events = Events()

    assert events.feed(b"event: a\ndata: 1") == []
    assert events.finish() == [("a", b"1")]
    assert events.finish() == []


@pytest.mark.parametrize("piece", [b"x" * 600, b"data: " + b"x" * 100 + b"\n"])
def test_an_event_without_end_is_no_event(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    events = Events()

    with pytest.raises(UpstreamShapeError):
        for _ in range(20):
            events.feed(piece)
