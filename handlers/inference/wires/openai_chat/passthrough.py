"""Chat completions whose bytes pass through: what little is changed in the request, and what is read in passing."""

import json
import re
from typing import cast

from handlers.inference.conversation import Parsed
from handlers.inference.wires import Upstream
from handlers.inference.wires.document import encode
from handlers.inference.wires.errors import UpstreamReportedError
from handlers.inference.wires.openai_chat.answer import answer_usage, stop_reason
from handlers.inference.wires.openai_chat.failure import reported
from handlers.inference.wires.splice import replace
from handlers.inference.wires.tap import Tap, TappedStream
from handlers.inference.wires.usage import UNKNOWN, merge, table
from shared.edge.ports import Json

_LIMITS = ("max_completion_tokens", "max_tokens")
# Only these say anything about the answer as a whole. `"usage":null` stands in every chunk and is not worth a look.
_TELLING = (
    re.compile(rb'"usage"\s*:\s*\{'),
    re.compile(rb'"finish_reason"\s*:\s*"'),
    re.compile(rb'"error"\s*:\s*["{]'),
)
# A raw line break cannot stand inside JSON text, so a model that writes about streams is not taken for the end of one.
_END = (b"[DONE]", re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]"))


def prepare_passthrough(body: bytes, parsed: Parsed, upstream: Upstream, max_output: int) -> bytes:
    document, limit = parsed.document, upstream.max_output_field
    values = {"model": encode(upstream.model)}
    renamed: dict[str, str] = {}
    other = next((name for name in _LIMITS if name != limit and document.get(name) is not None), None)
    if other is not None and limit not in document:
        renamed[other] = limit
        if document[other] != max_output:
            values[other] = str(max_output).encode()
    else:
        if other is not None:
            values[other] = b"null"
        if document.get(limit) != max_output:
            values[limit] = str(max_output).encode()
    if (options := _stream_options(parsed, upstream)) is not None:
        values["stream_options"] = encode(options)
    return replace(body, document, values, renamed)


def prepare_document(parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
    document = {name: value for name, value in parsed.document.items() if name not in _LIMITS and name != "model"}
    document[upstream.max_output_field] = max_output
    if (options := _stream_options(parsed, upstream)) is not None:
        document["stream_options"] = options
    return document


def _stream_options(parsed: Parsed, upstream: Upstream) -> dict[str, Json] | None:
    """What to write there; None: leave it as it is."""
    if not parsed.stream or parsed.include_usage or not upstream.stream_options:
        return None
    return {**table(parsed.document.get("stream_options")), "include_usage": True}


class _Passthrough(TappedStream):
    def __init__(self, *, hide_usage: bool) -> None:
        super().__init__(Tap(_TELLING, self._look, _END, hold=hide_usage))
        self._hide_usage = hide_usage

    def _look(self, data: bytes) -> bool:
        """Learn from one event; whether it is the one to hide."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return False
        if not isinstance(document, dict):
            return False
        chunk = cast("dict[str, Json]", document)
        choices = chunk.get("choices")
        if chunk.get("error") and not choices:
            self.error = reported(chunk)
            return False
        usage = answer_usage(chunk)
        if usage != UNKNOWN:
            self.usage = merge(self.usage, usage)
        if isinstance(choices, list) and choices:
            self._finish_reason(table(cast("list[Json]", choices)[0]).get("finish_reason"))
        return self._hide_usage and choices == [] and usage != UNKNOWN

    def _finish_reason(self, finish: Json) -> None:
        if isinstance(finish, str):
            try:
                self.stop_reason = stop_reason(finish, called=False)
            except UpstreamReportedError as error:
                self.error = error


def passthrough_stream(parsed: Parsed) -> _Passthrough:
    return _Passthrough(hide_usage=not parsed.include_usage)
