"""The one internal form of a conversation: what every wire is read into and written from. Data only.

A field that no other wire can carry is kept in `Conversation.only_here`; a wire that writes the conversation for an
upstream refuses what it cannot carry by name, so nothing is dropped silently.
"""

from dataclasses import dataclass, field
from typing import Literal

from shared.edge.ports import Json
from shared.prices.usage import Usage

Role = Literal["system", "user", "assistant"]
StopReason = Literal["end", "length", "stop_sequence", "tool_calls", "refusal", "pause"]
"""`refusal`: the model or a filter declined; `pause`: the provider stopped a long turn that may be continued."""


@dataclass(slots=True)
class Text:
    text: str


@dataclass(slots=True)
class Image:
    """Either `url`, or `data` (base64) of `media_type`."""

    url: str | None = None
    media_type: str | None = None
    data: str | None = None
    detail: str | None = None
    """OpenAI's `low`, `high`, ...; other wires have no such word."""


@dataclass(slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


@dataclass(slots=True)
class ToolResult:
    call_id: str
    parts: tuple["Text | Image", ...]
    is_error: bool = False


@dataclass(slots=True)
class Thinking:
    """Reasoning shown, or encrypted in `redacted`; with a signature the vendor trusts it when it comes back."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(slots=True)
class Refusal:
    text: str


Part = Text | Image | ToolCall | ToolResult | Thinking | Refusal


@dataclass(slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    path: str
    """Where the caller wrote it, e.g. `messages[3]`: errors name it."""
    name: str | None = None


@dataclass(slots=True)
class Tool:
    name: str
    description: str | None
    schema: dict[str, Json]
    strict: bool | None
    path: str


@dataclass(slots=True)
class ToolChoice:
    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@dataclass(slots=True)
class ResponseFormat:
    kind: Literal["text", "json_object", "json_schema"]
    schema: dict[str, Json] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(slots=True)
class ThinkingMode:
    """Anthropic's `thinking`: disabled, adaptive, or enabled with a budget of tokens."""

    kind: Literal["enabled", "disabled", "adaptive"]
    budget: int | None = None
    display: str | None = None


@dataclass(slots=True)
class Conversation:
    """None and empty mean that the caller did not say."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    thinking: ThinkingMode | None = None
    end_user: str | None = None
    only_here: tuple[str, ...] = ()
    """Paths of fields given that only the caller's own wire has: `logit_bias`, `tools[0].cache_control`."""


@dataclass(slots=True)
class Answer:
    id: str
    """The upstream's own id; may be empty."""
    model: str
    """As the upstream names it."""
    parts: tuple[Part, ...]
    stop_reason: StopReason
    usage: Usage
    stop_sequence: str | None = None


@dataclass(slots=True)
class Start:
    """The first event of a stream."""

    id: str
    model: str


@dataclass(slots=True)
class TextDelta:
    text: str


@dataclass(slots=True)
class RefusalDelta:
    text: str


@dataclass(slots=True)
class ThinkingDelta:
    """`signature` comes with an empty text at the end of a thought; `redacted` is a whole encrypted one."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(slots=True)
class ToolCallStart:
    index: int
    """Position among the answer's tool calls, from 0."""
    id: str
    name: str


@dataclass(slots=True)
class ToolCallDelta:
    index: int
    arguments: str
    """The next piece of the JSON text."""


@dataclass(slots=True)
class PartEnd:
    """The running text, thought or tool call is complete. May be missing: a new part ends the one before."""


@dataclass(slots=True)
class UsageReport:
    """What is known so far; a later report replaces the fields it knows."""

    usage: Usage


@dataclass(slots=True)
class Stop:
    reason: StopReason
    stop_sequence: str | None = None


@dataclass(slots=True)
class End:
    """The upstream said that the stream is complete (`[DONE]`, `message_stop`). Without it, the stream was cut."""


Event = (
    Start
    | TextDelta
    | RefusalDelta
    | ThinkingDelta
    | ToolCallStart
    | ToolCallDelta
    | PartEnd
    | UsageReport
    | Stop
    | End
)


@dataclass(slots=True)
class Parsed:
    """A request as its wire read it."""

    conversation: Conversation
    model: str
    """As the caller named it: `default`, an alias or `provider/model`."""
    stream: bool
    max_output: int | None
    end_user: str | None
    document: dict[str, Json] = field(repr=False)
    include_usage: bool = True
    """Whether the caller wants usage in the stream (OpenAI's `stream_options.include_usage`; always on Anthropic's)."""
