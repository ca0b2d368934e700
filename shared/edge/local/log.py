"""One JSON object a line, on a stream of the caller's choice."""

import json
import sys
import time
from typing import TextIO


class LineLog:
    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        line = json.dumps({"time": round(time.time(), 3), "event": name, **fields}, ensure_ascii=False)
        self._stream.write(line + "\n")
        self._stream.flush()
