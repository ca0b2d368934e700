"""What the host and one of its processes say to each other: JSON lines over a socket pair, and open sockets with them.

The end of the other side is seen as the end of the stream, however it died.
"""

import array
import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

Message = dict[str, Any]
OnMessage = Callable[[Message, int | None], None]
"""Called with a message and the descriptor that came with it, which then belongs to the callee."""

READ_BYTES = 65536
MAX_FDS = 32


class Channel:
    """One end of the pair. Nothing blocks: what the other side does not take yet is queued."""

    def __init__(self, end: socket.socket, on_message: OnMessage, on_close: Callable[[], None]) -> None:
        self._socket = end
        self._on_message = on_message
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._fds: deque[int] = deque()
        self._outgoing: deque[tuple[bytes, int | None]] = deque()
        self.closed = False
        self._unheard = False
        end.setblocking(False)
        self._loop.add_reader(end.fileno(), self._readable)

    def send(self, message: Message, fd: int | None = None) -> None:
        """Send, now or as soon as there is room. `fd` is closed here once it is on its way."""
        if self.closed or self._unheard:
            if fd is not None:
                os.close(fd)
            return
        if fd is not None:
            message = {**message, "fd": True}
        self._outgoing.append((json.dumps(message).encode() + b"\n", fd))
        if len(self._outgoing) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            data, fd = self._outgoing[0]
            rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
            try:
                sent = self._socket.sendmsg([data], rights)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:
                # the other side is gone; its last messages, and connections that came with them, are still to be read
                self._unheard = True
                self._drop_outgoing()
                return
            if fd is not None:
                os.close(fd)
            if sent < len(data):
                self._outgoing[0] = (data[sent:], None)
            else:
                self._outgoing.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, socket.CMSG_SPACE(4 * MAX_FDS))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", cast("list[tuple[int, int, bytes]]", [])
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._fds.extend(array.array("i", payload[: len(payload) // 4 * 4]))
        if not data:
            self.close()
            return
        self._received += data
        while not self.closed and (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            message = cast("Message", json.loads(line))
            self._on_message(message, self._fds.popleft() if message.get("fd") and self._fds else None)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._drop_outgoing()
        self._socket.close()
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        self._fds.clear()
        self._on_close()

    def _drop_outgoing(self) -> None:
        self._loop.remove_writer(self._socket.fileno())
        for _, fd in self._outgoing:
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._outgoing.clear()
