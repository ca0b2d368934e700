"""A conversation of another wire, written as a Messages request. What has no place here is refused by name."""

import json
import re
from typing import cast

from handlers.inference.conversation import (
    Conversation,
    Image,
    Message,
    Parsed,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from handlers.inference.wires import Upstream
from handlers.inference.wires.anthropic_messages.request import EFFORTS
from handlers.inference.wires.fields import unsupported
from shared.edge.ports import Json

_NO_PLACE = "Anthropic's wire, which the chosen model speaks, has no such field"
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")


def build(parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
    conversation = parsed.conversation
    _refuse(conversation)
    system, rest = _leading_system(conversation.messages)
    document: dict[str, Json] = {"model": upstream.model, "max_tokens": max_output, "messages": _messages(rest)}
    if system:
        document["system"] = system
    if parsed.stream:
        document["stream"] = True
    _add_tools(document, conversation)
    optional: dict[str, Json] = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_k": conversation.top_k,
        "stop_sequences": list(conversation.stop) or None,
        "thinking": {"type": "disabled"} if conversation.reasoning_effort == "none" else None,
        "output_config": _output_config(conversation) or None,
        "metadata": {"user_id": conversation.end_user} if conversation.end_user else None,
    }
    document.update({name: value for name, value in optional.items() if value is not None})
    return document


def _refuse(conversation: Conversation) -> None:
    for path in conversation.only_here:
        raise unsupported(path, _NO_PLACE)
    for name in ("seed", "frequency_penalty", "presence_penalty"):
        if getattr(conversation, name):  # a penalty of 0 is none
            raise unsupported(name, _NO_PLACE)
    if (conversation.temperature or 0) > 1:
        raise unsupported("temperature", "the chosen model takes 0 to 1")
    if conversation.reasoning_effort not in (None, "none", *EFFORTS):
        raise unsupported("reasoning_effort", f"the chosen model takes none, {', '.join(EFFORTS)}")
    if form := conversation.response_format:
        if form.schema is None:
            raise unsupported("response_format", "the chosen model takes a json_schema with its schema only")
        if form.description is not None:
            raise unsupported("response_format.json_schema.description", _NO_PLACE)
    last = conversation.messages[-1]
    if last.role == "assistant":
        raise unsupported(last.path, "the chosen model would continue this answer; end with a message of the user")


def _leading_system(messages: tuple[Message, ...]) -> tuple[Json, tuple[Message, ...]]:
    """System messages at the beginning are the system prompt; later ones stay in their place."""
    texts: list[str] = []
    for index, message in enumerate(messages):
        if message.role != "system":
            return _system_blocks(texts), messages[index:]
        _refuse_name(message)
        texts += [part.text for part in message.parts if isinstance(part, Text) and part.text]
    raise unsupported("messages", "the chosen model needs a message of the user, not only a system message")


def _system_blocks(texts: list[str]) -> Json:
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _output_config(conversation: Conversation) -> dict[str, Json]:
    config: dict[str, Json] = {}
    if conversation.reasoning_effort not in (None, "none"):
        config["effort"] = conversation.reasoning_effort
    if form := conversation.response_format:
        config["format"] = {"type": "json_schema", "schema": form.schema}
    return config


def _add_tools(document: dict[str, Json], conversation: Conversation) -> None:
    if not conversation.tools:
        return
    tools: list[Json] = []
    for tool in conversation.tools:
        fields: dict[str, Json] = {"name": tool.name, "input_schema": {"type": "object", **tool.schema}}
        if tool.description is not None:
            fields["description"] = tool.description
        if tool.strict is not None:
            fields["strict"] = tool.strict
        tools.append(fields)
    document["tools"] = tools
    choice = conversation.tool_choice
    if choice is None and conversation.parallel_tools is not False:
        return
    mode = choice.mode if choice else "auto"
    asked: dict[str, Json] = {"type": "any" if mode == "required" else mode}
    if choice and choice.mode == "tool":
        asked["name"] = choice.name
    if conversation.parallel_tools is False and mode != "none":
        asked["disable_parallel_tool_use"] = True
    document["tool_choice"] = asked


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Json]]:
    written: list[dict[str, Json]] = []
    for message in messages:
        _refuse_name(message)
        blocks = [block for part in message.parts if (block := _block(part, message)) is not None]
        if not blocks:
            raise unsupported(f"{message.path}.content", "the chosen model takes no empty message")
        # The results of parallel calls have to stand in one message (tool-use/parallel-tool-use).
        if written and written[-1]["role"] == message.role:
            cast("list[Json]", written[-1]["content"]).extend(blocks)
        else:
            written.append({"role": message.role, "content": blocks})
    return written


def _refuse_name(message: Message) -> None:
    if message.name is not None:
        raise unsupported(f"{message.path}.name", _NO_PLACE)


def _block(part: Part, message: Message) -> dict[str, Json] | None:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text} if part.text else None  # empty text is refused there
        case Image():
            return _image(part, message.path)
        case ToolCall():
            return {
                "type": "tool_use",
                "id": _call_id(part.id),
                "name": part.name,
                "input": arguments_object(part.arguments),
            }
        case ToolResult():
            content = [block for item in part.parts if (block := _block(item, message)) is not None]
            result: dict[str, Json] = {"type": "tool_result", "tool_use_id": _call_id(part.call_id)}
            if content:
                result["content"] = content
            if part.is_error:
                result["is_error"] = True
            return result
        case Thinking():
            return _thinking(part, message.path)


def _call_id(call_id: str) -> str:
    """Ids of other providers hold dots and colons (Kimi's `functions.name:0`); here they may not."""
    return _NOT_IN_ID.sub("_", call_id)


def _image(image: Image, path: str) -> dict[str, Json]:
    if image.detail not in (None, "auto"):
        raise unsupported(f"{path}.content.image_url.detail", _NO_PLACE)
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def _thinking(part: Thinking, path: str) -> dict[str, Json]:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature is None:
        raise unsupported(
            f"{path}.reasoning_content",
            "the chosen model takes only thinking it signed (thinking_blocks); leave it out",
        )
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def arguments_object(text: str) -> dict[str, Json]:
    """A tool call's arguments as an object; broken JSON is wrapped the way Anthropic's documentation advises
    (platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming).
    """
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {"INVALID_JSON": text}
