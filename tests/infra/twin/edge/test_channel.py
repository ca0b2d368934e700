"""Given two ends of a channel, messages and open files arrive in order, however large and however many."""

import asyncio
import os
import socket
import tempfile
from typing import Any

import pytest

from infra.twin.edge.channel import Channel


class End:
    def __init__(self, end: socket.socket) -> None:
        self.messages: list[Any] = []
        self.contents: list[bytes] = []
        self.closed = asyncio.Event()
        self.channel = Channel(end, self._receive, self.closed.set)

    def _receive(self, message: Any, fd: int | None) -> None:
        if fd is not None:
            self.contents.append(os.pread(fd, 100, 0))
            os.close(fd)
        self.messages.append(message)

    async def expect(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < count:  # noqa: ASYNC110 - the channel knows no event for a count
                await asyncio.sleep(0.001)


@pytest.fixture
async def ends() -> "tuple[End, End]":
    ours, theirs = socket.socketpair()
    return End(ours), End(theirs)


def file_with(content: bytes) -> int:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


async def test_messages_and_descriptors_keep_their_order(ends: "tuple[End, End]") -> None:
    here, there = ends
    for number in range(200):
        here.channel.send({"type": "text", "number": number, "filler": "x" * (number * 37 % 5000)})
        here.channel.send({"type": "file"}, file_with(b"%d" % number))
    here.channel.send({"type": "large", "filler": "y" * 3_000_000})
    await there.expect(401)
    assert [one["number"] for one in there.messages if one["type"] == "text"] == list(range(200))
    assert there.contents == [b"%d" % number for number in range(200)]
    assert len(there.messages[-1]["filler"]) == 3_000_000
    here.channel.close()
    async with asyncio.timeout(30):
        await there.closed.wait()


async def test_what_cannot_be_sent_any_more_is_closed(ends: "tuple[End, End]") -> None:
    here, there = ends
    there.channel.close()
    async with asyncio.timeout(30):
        await here.closed.wait()
    fd = file_with(b"late")
    here.channel.send({"type": "file"}, fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


async def test_last_messages_are_read_although_the_other_side_takes_nothing_any_more(
    ends: "tuple[End, End]",
) -> None:
    here, there = ends
    there.channel.send({"type": "file"}, file_with(b"a connection"))
    there.channel.send({"type": "bye"})
    there.channel.close()
    # before the loop has had a chance to read: the send fails
    fd = file_with(b"too late")
    here.channel.send({"type": "routes"}, fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    here.channel.send({"type": "routes"})
    async with asyncio.timeout(30):
        await here.closed.wait()
    assert [one["type"] for one in here.messages] == ["file", "bye"]
    assert here.contents == [b"a connection"]
