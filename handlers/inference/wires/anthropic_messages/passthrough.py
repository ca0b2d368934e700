"""Messages whose bytes pass through: what little is changed in the request, and what is read in passing."""

import json
import re
from typing import cast

from handlers.inference.conversation import Parsed
from handlers.inference.wires import Upstream
from handlers.inference.wires.anthropic_messages.answer import read_usage, stop_reason
from handlers.inference.wires.anthropic_messages.failure import reported
from handlers.inference.wires.document import encode
from handlers.inference.wires.splice import replace
from handlers.inference.wires.tap import Tap, TappedStream
from handlers.inference.wires.usage import table
from shared.edge.ports import Json

_TELLING = (re.compile(rb'"usage"\s*:\s*\{'), re.compile(rb'"error"\s*[,}]'))
# A raw line break cannot stand inside JSON text, so a model that writes about streams is not taken for the end of one.
_END = (
    b"message_stop",
    re.compile(rb'(?:^|[\r\n])(?:event: ?message_stop|data: ?\{\s*"type"\s*:\s*"message_stop")'),
)
_ENVELOPE = len(
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":""}}\n\n'
)


def prepare_passthrough(body: bytes, parsed: Parsed, upstream: Upstream, max_output: int) -> bytes:
    values = {"model": encode(upstream.model)}
    if parsed.max_output != max_output:
        values["max_tokens"] = str(max_output).encode()
    return replace(body, parsed.document, values)


def prepare_document(parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
    return {**parsed.document, "model": upstream.model, "max_tokens": max_output}


class _Passthrough(TappedStream):
    def __init__(self) -> None:
        super().__init__(Tap(_TELLING, self._look, _END, hold=False, envelope=_ENVELOPE))

    def _look(self, data: bytes) -> bool:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return False
        fields = cast("dict[str, Json]", document) if isinstance(document, dict) else {}
        match fields.get("type"):
            case "message_start":
                # Its output_tokens is a beginning, not a count.
                given = table(table(fields.get("message")).get("usage"))
                self.usage = read_usage({**given, "output_tokens": None})
            case "message_delta":
                self.usage = read_usage(fields.get("usage"), self.usage)
                reason = table(fields.get("delta")).get("stop_reason")
                self.stop_reason = stop_reason(reason) if reason is not None else self.stop_reason
            case "error":
                self.error = reported(fields)
            case _:
                pass
        return False


def passthrough_stream(parsed: Parsed) -> _Passthrough:  # noqa: ARG001
    return _Passthrough()
