"""Server-Sent Events as upstreams really send them: any line ending, any chunking, comments, a last event cut short.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from handlers.inference.wires.errors import UpstreamShapeError

MAX_EVENT = 16 * 1024 * 1024
"""An event that grows beyond is no event of a model."""


class Events:
    """Bytes in, (event name, data) out. Lines end in CR LF, LF or CR."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._after_cr = False
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[tuple[str, bytes]]:
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = piece.split(b"\n")
        if not lines:
            self._pending += rest
            self._check(len(self._pending))
            return []
        lines[0] = bytes(self._pending) + lines[0]
        self._pending = bytearray(rest)
        return self._take(lines)

    def finish(self) -> list[tuple[str, bytes]]:
        """What was left without its blank line; a JSON document cut in two is for the caller to notice."""
        last, self._pending = bytes(self._pending), bytearray()
        return self._take([last, b""])

    def _take(self, lines: list[bytes]) -> list[tuple[str, bytes]]:
        events: list[tuple[str, bytes]] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append((self._name, b"\n".join(self._data)))
                self._name, self._data, self._size = "", [], 0
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
                self._check(self._size + len(value))
                self._size += len(value)
            elif field == b"event":
                self._name = value.decode(errors="replace")
        return events

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise UpstreamShapeError(f"an event of the stream is longer than {MAX_EVENT} bytes")
