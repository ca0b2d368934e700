"""Failures on request, for tests of what calls the API: Cloudflare refusing, failing, or losing its answer."""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Fault:
    """Strikes the `nth` request (from 1) whose method and path match, and none after it."""

    method: str
    path: str
    """A regular expression, searched in the path below /client/v4."""
    kind: Literal["rate_limit", "error", "drop"]
    """429 with `retry-after: 1`; 500; or the work is done and the connection breaks instead of answering."""
    nth: int = 1
    seen: int = 0


class Faults:
    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)

    def strike(self, method: str, path: str) -> Fault | None:
        matching = [fault for fault in self.faults if fault.method == method and re.search(fault.path, path)]
        for fault in matching:
            fault.seen += 1
        return next((fault for fault in matching if fault.seen == fault.nth), None)
