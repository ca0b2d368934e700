"""Messages of a Chat Completions request, read into the conversation's form."""

from typing import cast

from handlers.inference.conversation import (
    Image,
    Message,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from handlers.inference.wires.document import kind
from handlers.inference.wires.fields import Fields, Later, invalid, items, type_of, unsupported
from handlers.inference.wires.images import from_url
from shared.edge.ports import Json

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_ASSISTANT = ("role", "content", "name", "tool_calls", "refusal", "reasoning_content", "reasoning", "thinking_blocks")
# Clients send an answer's message back as they got it, empty fields included.
_ECHOED: Later = {"audio": (None,), "function_call": (None,), "annotations": (None, [])}
_LATER_PARTS = ("input_audio", "file")


def read_messages(listed: list[Json]) -> tuple[Message, ...]:
    messages: list[Message] = []
    called: set[str] = set()
    for index, value in enumerate(listed):
        message = _message(value, f"messages[{index}]")
        for part in message.parts:
            if isinstance(part, ToolCall):
                called.add(part.id)
            elif isinstance(part, ToolResult) and part.call_id not in called:
                raise invalid(f"{message.path}.tool_call_id", "answers no tool call of an earlier message")
        messages.append(message)
    return tuple(messages)


def _message(value: Json, path: str) -> Message:
    if not isinstance(value, dict):
        raise invalid(path, f"must be an object, not {kind(value)}")
    given = cast("dict[str, Json]", value)
    role: Json = given.get("role")
    if len(given) == 2 and isinstance(text := given.get("content"), str) and role in ("user", "system"):
        return Message("user" if role == "user" else "system", (Text(text),), path)  # nearly every message
    if role == "tool":
        return _tool_message(value, path)
    if role == "function":
        raise unsupported(f"{path}.role", "role function is not supported yet; use tools")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(f"{path}.role", "must be one of system, developer, user, assistant, tool")
    if role == "assistant":
        return _assistant_message(Fields(value, path, _ASSISTANT, _ECHOED))
    fields = Fields(value, path, ("role", "content", "name"))
    parts = _content(fields.required("content"), f"{path}.content", images=role == "user")
    return Message(_ROLES[role], parts, path, fields.text("name"))


def _tool_message(value: Json, path: str) -> Message:
    fields = Fields(value, path, ("role", "content", "tool_call_id"), {"name": (None,)})
    parts = tuple(
        part
        for part in _content(fields.required("content"), f"{path}.content", images=False)
        if isinstance(part, Text | Image)
    )
    return Message("user", (ToolResult(fields.required_text("tool_call_id"), parts),), path)


def _assistant_message(fields: Fields) -> Message:
    parts: list[Part] = _thinking(fields)
    if fields.has("content"):
        parts += _content(fields.raw("content"), fields.at("content"), images=False)
    if refusal := fields.text("refusal"):
        parts.append(Refusal(refusal))
    if fields.has("tool_calls"):
        path = fields.at("tool_calls")
        calls = items(fields.raw("tool_calls"), path)
        parts += [_tool_call(item, f"{path}[{index}]") for index, item in enumerate(calls)]
    if not parts:
        raise invalid(fields.at("content"), "is required where there are no tool_calls")
    return Message("assistant", tuple(parts), fields.path, fields.text("name"))


def _thinking(fields: Fields) -> list[Part]:
    """Reasoning of an earlier answer, as `answer.py` wrote it: its text, or the signed blocks that repeat the text."""
    text = fields.text("reasoning_content") or fields.text("reasoning")
    if not fields.has("thinking_blocks"):
        return [Thinking(text)] if text else []
    path = fields.at("thinking_blocks")
    return [
        _thinking_block(item, f"{path}[{index}]")
        for index, item in enumerate(items(fields.raw("thinking_blocks"), path))
    ]


def _thinking_block(value: Json, path: str) -> Thinking:
    tag = type_of(value, path)
    if tag == "redacted_thinking":
        return Thinking(redacted=Fields(value, path, ("type", "data")).required_text("data", 10_000_000))
    if tag != "thinking":
        raise invalid(f"{path}.type", "must be thinking or redacted_thinking")
    fields = Fields(value, path, ("type", "thinking", "signature"))
    return Thinking(fields.text("thinking") or "", fields.text("signature") or None)


def _tool_call(value: Json, path: str) -> ToolCall:
    if (tag := type_of(value, path)) != "function":
        raise unsupported(f"{path}.type", f"tool calls of type {tag[:60]} are not supported yet")
    # `index` stands in pieces of a stream, and some clients keep it; `extra_content` is Gemini's.
    fields = Fields(value, path, ("id", "type", "function", "index"))
    function = Fields(fields.required("function"), f"{path}.function", ("name", "arguments"))
    return ToolCall(fields.required_text("id"), function.required_text("name", 128), function.text("arguments") or "")


def _content(value: Json, path: str, *, images: bool) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise invalid(path, "must be a string or an array of parts")
    return tuple(
        _part(item, f"{path}[{index}]", images=images) for index, item in enumerate(items(value, path, least=1))
    )


def _part(value: Json, path: str, *, images: bool) -> Part:
    tag = type_of(value, path)
    if tag == "text":
        fields = Fields(value, path, ("type", "text"))
        fields.required("text")
        return Text(fields.text("text") or "")
    if tag == "refusal" and not images:
        fields = Fields(value, path, ("type", "refusal"))
        return Refusal(fields.required_text("refusal", 1_000_000))
    if tag == "image_url" and images:
        outer = Fields(value, path, ("type", "image_url"))
        inner = Fields(outer.required("image_url"), f"{path}.image_url", ("url", "detail"))
        detail = inner.choice("detail", ("auto", "low", "high"))
        return from_url(inner.required_text("url", 20_000_000), inner.at("url"), detail)
    if tag in _LATER_PARTS:
        raise unsupported(f"{path}.type", f"{tag} is not supported yet")
    raise invalid(f"{path}.type", f"{tag[:60]} is no part of this role's content")
