"""The log files of serving processes: one a script, written by the processes themselves, rotated by size."""

import os
from collections.abc import Callable
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
KEPT = 3
TAIL_BYTES = 8192


class ProcessLog:
    """`path`, `path.1` (older) and so on."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def open(self) -> int:
        """A descriptor to append to; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rotate(self, reopen: Callable[[int], object]) -> None:
        """When the file has grown too large, begin a new one; `reopen` gives each running process its descriptor."""
        if self.size <= self._max_bytes:
            return
        for number in range(KEPT, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        fd = self.open()
        try:
            reopen(fd)
        finally:
            os.close(fd)

    def tail(self, since: int, lines: int = 20) -> str:
        """The last lines that were written after the file was `since` bytes long."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(since if since <= end else 0, end - TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])
