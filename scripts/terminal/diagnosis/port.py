"""Whether the port that `scripts/dev` would take is free, and who has it."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from scripts.terminal.diagnosis.symptom import Symptom, problem

ADDRESS = "127.0.0.1"
LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h)."""


def check_port(port: int) -> Iterator[Symptom]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                what, why = f"port {port} is in use", _holder(port)
            else:
                what, why = f"port {port} cannot be taken", f"{error.strerror}: {ADDRESS}:{port}"
            yield problem("port", what, why, f"scripts/dev --port {_free()}   (or end that program)")


def _holder(port: int) -> str:
    """Who listens, as far as this user may know."""
    inodes = set(_inodes(port))
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} listens there: {command[:120]}"
    return "another program listens there"


def _inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == LISTENS:
                    yield f"socket:[{fields[9]}]"


def _free() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]
