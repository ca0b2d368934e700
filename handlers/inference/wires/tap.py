"""A look at a stream's bytes on their way to the caller. The hot path of streams: most bytes are only scanned."""

import re
from collections.abc import Callable, Sequence

from handlers.inference.conversation import StopReason
from handlers.inference.wires.bounds import estimate_tokens
from handlers.inference.wires.errors import UpstreamReportedError
from handlers.inference.wires.usage import UNKNOWN

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_END_MARKER = 40
"""What is shorter is no event with a choice in it."""
MAX_HELD = 1024 * 1024
"""An event that is longer is forwarded unread."""


class Tap:
    """`telling` find events worth reading, `look` reads one and says whether to leave it out of the stream.

    Each pattern begins with a literal, which lets the search skip over the rest of the bytes.

    `end` is a literal of the end marker and the pattern that makes sure of it. `envelope` is the length of an event
    without its text; None: that of the shortest seen.
    """

    def __init__(
        self,
        telling: Sequence[re.Pattern[bytes]],
        look: Callable[[bytes], bool],
        end: tuple[bytes, re.Pattern[bytes]],
        *,
        hold: bool,
        envelope: int | None = None,
    ) -> None:
        self._telling, self._look, self._end = telling, look, end
        self._hold = hold
        """Whether events may be left out: then the beginning of an event waits for its end before it is forwarded."""
        self._tail = b""
        self.ended = False
        self.bytes_seen = 0
        self._events = 0
        self._envelope, self._fixed = envelope, envelope is not None

    def feed(self, piece: bytes) -> bytes:
        self.bytes_seen += len(piece)
        events = piece.count(b"data:")
        self._events += events
        whole = self._tail + piece if self._tail else piece
        if self._envelope is None and (match := _EVENT_END.search(whole)):
            self._envelope = match.end()
        cut = _last_event_end(whole)
        if cut == len(whole):
            if events == 1 and not self._tail and not self._fixed and _END_MARKER < cut < (self._envelope or 0):
                self._envelope = cut
            self._tail = b""
            return self._scan(whole) if self._hold else self._pass(whole, piece)
        self._tail = whole[cut:]
        if len(self._tail) > MAX_HELD:
            return self._give_up(whole, cut, piece)
        if not self._hold:
            return self._pass(whole[:cut], piece)
        return self._scan(whole[:cut])

    def finish(self) -> bytes:
        """The rest of the stream, even where its last event lacks the blank line."""
        rest, self._tail = self._tail, b""
        scanned = self._scan(rest)
        return scanned if self._hold else b""

    def output_estimate(self) -> int:
        """Tokens generated: at least one an event, and more where events are longer than their envelope."""
        generated = max(0, self.bytes_seen - self._events * (self._envelope or 0))
        return max(self._events, estimate_tokens(generated))

    def _pass(self, events: bytes, piece: bytes) -> bytes:
        self._scan(events)
        return piece

    def _give_up(self, whole: bytes, cut: int, piece: bytes) -> bytes:
        self._tail = b""
        if not self._hold:
            return self._pass(whole[:cut], piece)
        return self._scan(whole[:cut]) + whole[cut:]

    def _scan(self, events: bytes) -> bytes:
        """Read what tells; give back all but the events to leave out."""
        if not self.ended and self._end[0] in events and self._end[1].search(events):
            self.ended = True
        at = self._next(events, 0)
        if at < 0:
            return events
        kept = b""
        start = 0
        while at >= 0:
            begin, end = _event_around(events, at)
            if self._look(_data_of(events[begin:end])):
                kept += events[start:begin]
                start = end
            at = self._next(events, end)
        return kept + events[start:]

    def _next(self, events: bytes, start: int) -> int:
        found = -1
        for pattern in self._telling:
            match = pattern.search(events, start)
            if match and (found < 0 or match.start() < found):
                found = match.start()
        return found


def _last_event_end(data: bytes) -> int:
    """The index after the last blank line."""
    if data.endswith((b"\n\n", b"\r\n\r\n")):
        return len(data)
    plain, windows = data.rfind(b"\n\n"), data.rfind(b"\n\r\n")
    return max(plain + 2 if plain >= 0 else 0, windows + 3 if windows >= 0 else 0)


def _event_around(data: bytes, at: int) -> tuple[int, int]:
    begin = _last_event_end(data[:at])
    match = _EVENT_END.search(data, at)
    return begin, match.end() if match else len(data)


def _data_of(event: bytes) -> bytes:
    lines = event.replace(b"\r\n", b"\n").split(b"\n")
    return b"\n".join(line[5:] for line in lines if line.startswith(b"data:"))


class TappedStream:
    """What the wires' pass-through streams have in common; each learns from the events in a way of its own."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.usage = UNKNOWN
        self.stop_reason: StopReason | None = None
        self.error: UpstreamReportedError | None = None

    @property
    def ended(self) -> bool:
        return self._tap.ended

    @property
    def bytes_seen(self) -> int:
        return self._tap.bytes_seen

    @property
    def output_estimate(self) -> int:
        return self._tap.output_estimate()

    def feed(self, piece: bytes) -> bytes:
        return self._tap.feed(piece)

    def finish(self) -> bytes:
        return self._tap.finish()
