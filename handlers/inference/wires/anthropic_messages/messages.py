"""Messages and system prompt of a Messages request, read into the conversation's form."""

from typing import cast

from handlers.inference.conversation import Image, Message, Part, Text, Thinking, ToolCall, ToolResult
from handlers.inference.wires.anthropic_messages.caching import Marks
from handlers.inference.wires.document import encode, kind
from handlers.inference.wires.fields import Fields, Later, invalid, type_of, unsupported
from handlers.inference.wires.images import from_data, from_url
from shared.edge.ports import Json

_LATER_BLOCKS = (
    "document",
    "search_result",
    "container_upload",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "compaction",
)
# What clients send back with an answer's blocks.
_LATER_TEXT: Later = {"citations": (None, [])}
_LATER_TOOL_USE: Later = {"caller": (None, {"type": "direct"})}
_BLOCKS = {
    "user": ("text", "image", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "system": ("text",),
    "tool_result": ("text", "image"),
}


def read_system(value: Json, marks: Marks) -> tuple[Message, ...]:
    parts = _content(value, "system", "system", marks)
    return (Message("system", parts, "system"),) if parts else ()


def read_messages(listed: list[Json], marks: Marks) -> tuple[Message, ...]:
    messages: list[Message] = []
    called: set[str] = set()
    for index, value in enumerate(listed):
        message = _message(value, f"messages[{index}]", marks)
        _check_calls(message, called)
        messages.append(message)
    return tuple(messages)


def _message(value: Json, path: str, marks: Marks) -> Message:
    fields = Fields(value, path, ("role", "content"))
    role = fields.choice("role", ("user", "assistant", "system"))
    if role is None:
        raise invalid(f"{path}.role", "is required")
    parts = _content(fields.required("content"), f"{path}.content", role, marks)
    if role == "system":
        return Message("system", parts, path)
    return Message("user" if role == "user" else "assistant", parts, path)


def _check_calls(message: Message, called: set[str]) -> None:
    told = False
    for index, part in enumerate(message.parts):
        where = f"{message.path}.content[{index}]"
        if isinstance(part, ToolCall):
            called.add(part.id)
        elif isinstance(part, ToolResult):
            if part.call_id not in called:
                raise invalid(f"{where}.tool_use_id", "answers no tool_use of an earlier message")
            if told:
                raise invalid(where, "tool_result blocks must come before the other blocks of their message")
        else:
            told = True


def _content(value: Json, path: str, role: str, marks: Marks) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise invalid(path, f"must be a string or an array of blocks, not {kind(value)}")
    blocks = cast("list[Json]", value)
    return tuple(_block(item, f"{path}[{index}]", role, marks) for index, item in enumerate(blocks))


def _block(value: Json, path: str, role: str, marks: Marks) -> Part:
    tag = type_of(value, path)
    if tag in _LATER_BLOCKS:
        raise unsupported(f"{path}.type", f"{tag} is not supported yet")
    if tag not in _BLOCKS[role]:
        raise invalid(f"{path}.type", f"must be one of {', '.join(_BLOCKS[role])} here")
    match tag:
        case "text":
            return _text(value, path, marks)
        case "image":
            return _image(value, path, marks)
        case "tool_use":
            return _tool_use(value, path, marks)
        case "tool_result":
            return _tool_result(value, path, marks)
        case "thinking":
            fields = Fields(value, path, ("type", "thinking", "signature"))
            fields.required("thinking")
            return Thinking(fields.text("thinking") or "", fields.text("signature") or None)
        case _:
            return Thinking(redacted=Fields(value, path, ("type", "data")).required_text("data", 10_000_000))


def _text(value: Json, path: str, marks: Marks) -> Text:
    fields = Fields(value, path, ("type", "text", "cache_control"), _LATER_TEXT)
    marks.take(fields)
    fields.required("text")
    return Text(fields.text("text") or "")


def _image(value: Json, path: str, marks: Marks) -> Image:
    fields = Fields(value, path, ("type", "source", "cache_control"))
    marks.take(fields)
    where = f"{path}.source"
    tag = type_of(fields.required("source"), where)
    if tag == "url":
        source = Fields(fields.raw("source"), where, ("type", "url"))
        url = source.required_text("url", 10_000)
        if url.lower().startswith("data:"):
            raise invalid(f"{where}.url", "must be an https:// link; data goes into a source of type base64")
        return from_url(url, f"{where}.url")
    if tag == "base64":
        source = Fields(fields.raw("source"), where, ("type", "media_type", "data"))
        return from_data(source.required_text("media_type"), source.required_text("data", 20_000_000), f"{where}.data")
    if tag == "file":
        raise unsupported(f"{where}.type", "files are not supported yet")
    raise invalid(f"{where}.type", "must be base64 or url")


def _tool_use(value: Json, path: str, marks: Marks) -> ToolCall:
    fields = Fields(value, path, ("type", "id", "name", "input", "cache_control"), _LATER_TOOL_USE)
    marks.take(fields)
    arguments = fields.required("input")
    fields.object("input")
    return ToolCall(fields.required_text("id"), fields.required_text("name", 200), encode(arguments).decode())


def _tool_result(value: Json, path: str, marks: Marks) -> ToolResult:
    fields = Fields(value, path, ("type", "tool_use_id", "content", "is_error", "cache_control"))
    marks.take(fields)
    parts: tuple[Part, ...] = ()
    if fields.has("content"):
        parts = _content(fields.raw("content"), f"{path}.content", "tool_result", marks)
    return ToolResult(
        fields.required_text("tool_use_id"),
        tuple(part for part in parts if isinstance(part, Text | Image)),
        fields.flag("is_error") or False,
    )
