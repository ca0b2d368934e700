"""Wires: public request and answer formats, one module each, found by name. Pure: data in, data out.

A wire serves two sides. Towards callers: `parse`, `format_*`, `stream_formatter`. Towards an upstream that speaks it:
`build`, `read_*`, `stream_reader`. When caller and upstream speak the same wire, `prepare_passthrough` and
`passthrough_stream` leave the bytes as they are.
"""

import functools
import importlib
from dataclasses import dataclass
from typing import Protocol, cast

from handlers.errors import ApiError
from handlers.inference.conversation import Answer, Event, Parsed, StopReason
from handlers.inference.wires.bounds import IMAGE
from handlers.inference.wires.errors import UpstreamReportedError, UpstreamShapeError
from shared.edge.ports import Json
from shared.prices.usage import Usage

__all__ = [
    "NAMES",
    "PassthroughStream",
    "Seen",
    "StreamFormatter",
    "StreamReader",
    "Upstream",
    "UpstreamReportedError",
    "UpstreamShapeError",
    "Wire",
    "load",
]

NAMES = ("openai_chat", "anthropic_messages")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The model to write a request for, and in what its server differs. Providers know these facts."""

    model: str
    max_output_field: str = "max_tokens"
    """OpenAI wire only: `max_completion_tokens` or `max_tokens`."""
    stream_options: bool = True
    """OpenAI wire only: whether the server takes `stream_options`."""
    reasoning_field: str | None = None
    """OpenAI wire only: the field of an assistant's message in which the server takes its earlier reasoning back."""
    image_tokens: int = IMAGE
    """The most input tokens that one image costs."""
    passthrough: bool = True
    """False: its answers only resemble the wire; they are read and written anew even for a caller of the same wire."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer that passes through untouched says about itself."""

    usage: Usage
    stop_reason: StopReason | None
    output_estimate: int
    """Tokens generated, judged by the bytes, for the case that `usage.output` is None."""


class StreamFormatter(Protocol):
    def feed(self, event: Event) -> bytes:
        """The caller's bytes for one event; may be empty."""
        ...

    def finish(self) -> bytes:
        """What ends the stream: the stop, the usage if asked for, the end marker."""
        ...


class StreamReader(Protocol):
    def feed(self, piece: bytes) -> list[Event]:
        """Raises UpstreamReportedError, UpstreamShapeError."""
        ...

    def finish(self) -> list[Event]:
        """The upstream closed the connection: what was left without its blank line."""
        ...


class PassthroughStream(Protocol):
    """Bytes of the upstream on their way to a caller of the same wire. Never raises on odd bytes."""

    @property
    def usage(self) -> Usage: ...
    @property
    def stop_reason(self) -> StopReason | None: ...
    @property
    def ended(self) -> bool:
        """Whether the end marker was seen."""
        ...

    @property
    def error(self) -> UpstreamReportedError | None:
        """An error event that went by (it has been forwarded: it is in the caller's wire)."""
        ...

    @property
    def bytes_seen(self) -> int: ...
    @property
    def output_estimate(self) -> int:
        """Tokens generated so far, judged by events and bytes, for the case that the usage never comes."""
        ...

    def feed(self, piece: bytes) -> bytes:
        """What to forward now."""
        ...

    def finish(self) -> bytes:
        """The upstream closed the connection: what was held back."""
        ...


class Wire(Protocol):
    NAME: str

    # Towards callers.
    def parse(self, body: bytes) -> Parsed:
        """Raises ApiError(400, invalid_request | unsupported_field) and nothing else."""
        ...

    def input_bound(self, parsed: Parsed, image_tokens: int = IMAGE) -> int:
        """Upper bound of input tokens. `image_tokens`: the largest among the candidates' `Upstream.image_tokens`."""
        ...

    def format_answer(self, answer: Answer, parsed: Parsed, *, answer_id: str, created: int) -> bytes: ...
    def stream_formatter(self, parsed: Parsed, *, answer_id: str, created: int) -> StreamFormatter:
        """`created` is in seconds; `answer_id` is the request id, the wire adds its own prefix."""
        ...

    def format_error(self, error: ApiError, request_id: str) -> bytes: ...
    def format_stream_error(self, error: ApiError, request_id: str) -> bytes:
        """The event that ends a stream which had begun."""
        ...

    # Towards an upstream that speaks this wire.
    def build(self, parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
        """The request in this wire, from a caller of another. Raises ApiError(400, unsupported_field) by name."""
        ...

    def read_answer(self, document: Json) -> Answer:
        """Raises UpstreamShapeError, UpstreamReportedError."""
        ...

    def stream_reader(self) -> StreamReader: ...
    def read_error(self, body: bytes) -> str:
        """The message in the body of an upstream's error, shortened; empty when it has none."""
        ...

    # Same wire on both sides.
    def prepare_passthrough(self, body: bytes, parsed: Parsed, upstream: Upstream, max_output: int) -> bytes:
        """The caller's bytes with the upstream's model name, the output limit, and usage asked for in streams."""
        ...

    def prepare_document(self, parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
        """The same as a document, for an upstream that is no HTTP server (the AI binding)."""
        ...

    def passthrough_stream(self, parsed: Parsed) -> PassthroughStream:
        """Hides the usage event that only this side asked for."""
        ...

    def read_passthrough(self, body: bytes) -> Seen:
        """An unstreamed answer. Raises UpstreamShapeError, UpstreamReportedError."""
        ...


@functools.cache
def load(name: str) -> Wire:
    """The wire module of that name. Raises KeyError for a name that is none."""
    if name not in NAMES:
        raise KeyError(name)
    return cast("Wire", importlib.import_module(f"handlers.inference.wires.{name}"))
