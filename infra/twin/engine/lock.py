"""One run at a time per stack, across processes: a file lock that the kernel drops with its owner."""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from infra.twin.engine.errors import LockedError, Owner

TRIES, PAUSE = 5, 0.02


@contextmanager
def stack_lock(path: Path, stack: str) -> Generator[None]:
    """Hold the lock, or raise LockedError that names who does. What a dead process of this host left is taken over."""
    descriptor = _acquire(path, stack)
    try:
        _write(descriptor, json.dumps(asdict(_myself())))
        yield
    finally:
        _write(descriptor, "")
        os.close(descriptor)


def lock_owner(path: Path) -> Owner | None:
    """Who holds the lock, alive or dead; None when it is free."""
    try:
        return _parse(path.read_text())
    except FileNotFoundError:
        return None


def is_held(path: Path) -> bool:
    """Whether a living process of this host holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def break_lock(path: Path) -> None:
    """Let the next run in, whoever holds the lock: it is a new file, and the old owner keeps the old one."""
    path.unlink(missing_ok=True)


def _acquire(path: Path, stack: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        held = not _try_for_a_while(descriptor)
        owner = _parse(os.pread(descriptor, 65536, 0).decode(errors="replace"))
        # Over a network file system the kernel's lock may not reach other hosts: their word counts.
        if held or (owner and owner.host != socket.gethostname()):
            os.close(descriptor)
            raise LockedError(stack, owner or Owner(0, "unknown", "unknown", "unknown"))
        if _is(path, descriptor):
            return descriptor
        os.close(descriptor)  # broken in between: another file bears the name now


def _try_for_a_while(descriptor: int) -> bool:
    """Whoever only asks whether it is held (`is_held`) holds it for a moment."""
    for _ in range(TRIES):
        if _try(descriptor):
            return True
        time.sleep(PAUSE)
    return False


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _myself() -> Owner:
    command = " ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])[:200]
    return Owner(os.getpid(), socket.gethostname(), command, datetime.now(UTC).isoformat(timespec="seconds"))


def _parse(text: str) -> Owner | None:
    if not text.strip():
        return None
    try:
        fields = cast("dict[str, Any]", json.loads(text))
        return Owner(int(fields["pid"]), str(fields["host"]), str(fields["command"]), str(fields["since"]))
    except (ValueError, KeyError, TypeError):
        return None
