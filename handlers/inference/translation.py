"""A stream on its way from an upstream's wire to the caller's other one, event by event."""

from handlers.inference.conversation import (
    End,
    Event,
    RefusalDelta,
    Stop,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    UsageReport,
)
from handlers.inference.estimate import output_estimate
from handlers.inference.wires import StreamFormatter, StreamReader, UpstreamReportedError
from shared.prices.usage import Usage


class Translation:
    """The same shape as a PassthroughStream, except that `feed` and `finish` raise what the reader raises."""

    def __init__(self, reader: StreamReader, formatter: StreamFormatter) -> None:
        self._reader = reader
        self._formatter = formatter
        self._generated = 0
        self._finished = False
        self.usage = Usage()
        self.stop_reason: StopReason | None = None
        self.ended = False
        self.error: UpstreamReportedError | None = None
        self.bytes_seen = 0

    @property
    def output_estimate(self) -> int:
        return output_estimate(self._generated)

    def feed(self, piece: bytes) -> bytes:
        self.bytes_seen += len(piece)
        return self._write(self._reader.feed(piece))

    def finish(self) -> bytes:
        out = self._write(self._reader.finish())
        if self.stop_reason is not None and not self._finished:
            out += self._close()
        return out

    def _write(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            self._observe(event)
            out.append(self._formatter.feed(event))
        if self.ended and not self._finished:
            out.append(self._close())
        return b"".join(out)

    def _close(self) -> bytes:
        self._finished = True
        return self._formatter.finish()

    def _observe(self, event: Event) -> None:
        match event:
            case TextDelta(text=text) | RefusalDelta(text=text) | ThinkingDelta(text=text):
                self._generated += len(text.encode(errors="replace"))
            case ToolCallDelta(arguments=arguments):
                self._generated += len(arguments.encode(errors="replace"))
            case UsageReport(usage=usage):
                self.usage = _merge(self.usage, usage)
            case Stop(reason=reason):
                self.stop_reason = reason
            case End():
                self.ended = True
            case _:
                pass


def _merge(old: Usage, new: Usage) -> Usage:
    """A later report replaces the fields it knows."""
    return Usage(
        *(
            later if later is not None else earlier
            for earlier, later in (
                (old.input, new.input),
                (old.cached_read, new.cached_read),
                (old.cache_write_5m, new.cache_write_5m),
                (old.cache_write_1h, new.cache_write_1h),
                (old.output, new.output),
                (old.reasoning, new.reasoning),
            )
        )
    )
