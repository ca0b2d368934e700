"""A conversation of another wire, written as a Chat Completions request. What has no place here is refused by name."""

from handlers.inference.conversation import (
    Conversation,
    Image,
    Message,
    Parsed,
    Refusal,
    Text,
    Thinking,
    ThinkingMode,
    ToolCall,
    ToolResult,
)
from handlers.inference.wires import Upstream
from handlers.inference.wires.fields import unsupported
from handlers.inference.wires.images import to_url
from shared.edge.ports import Json

# Anthropic thinks within a budget of tokens, OpenAI by words; the budgets are those LiteLLM made usual for the words.
_BUDGETS = ((2_048, "low"), (8_192, "medium"))
_NO_PLACE = "OpenAI's wire, which the chosen model speaks, has no such field"


def build(parsed: Parsed, upstream: Upstream, max_output: int) -> dict[str, Json]:
    conversation = parsed.conversation
    _refuse(conversation)
    document: dict[str, Json] = {
        "model": upstream.model,
        "messages": [
            item for message in conversation.messages for item in _messages(message, upstream.reasoning_field)
        ],
        upstream.max_output_field: max_output,
    }
    if parsed.stream:
        document["stream"] = True
        if upstream.stream_options:
            document["stream_options"] = {"include_usage": True}
    _add_tools(document, conversation)
    optional: dict[str, Json] = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "frequency_penalty": conversation.frequency_penalty,
        "presence_penalty": conversation.presence_penalty,
        "seed": conversation.seed,
        "stop": list(conversation.stop) or None,
        "response_format": _response_format(conversation),
        "reasoning_effort": conversation.reasoning_effort or _effort(conversation.thinking),
        "user": conversation.end_user,
    }
    document.update({name: value for name, value in optional.items() if value is not None})
    return document


def _refuse(conversation: Conversation) -> None:
    for path in conversation.only_here:
        raise unsupported(path, _NO_PLACE)
    if conversation.top_k is not None:
        raise unsupported("top_k", _NO_PLACE)
    if len(conversation.stop) > 4:
        raise unsupported("stop_sequences", "OpenAI's wire, which the chosen model speaks, takes at most 4")
    last = conversation.messages[-1]
    if last.role == "assistant":
        raise unsupported(
            last.path, "OpenAI's wire, which the chosen model speaks, cannot continue an answer you began"
        )


def _effort(thinking: ThinkingMode | None) -> str | None:
    if thinking is None or thinking.budget is None:
        return None  # adaptive is what these models do by themselves; disabled asks for nothing
    return next((word for most, word in _BUDGETS if thinking.budget <= most), "high")


def _response_format(conversation: Conversation) -> dict[str, Json] | None:
    form = conversation.response_format
    if form is None or form.kind == "text":
        return None
    if form.kind == "json_object":
        return {"type": "json_object"}
    inner: dict[str, Json] = {"name": form.name or "answer", "schema": form.schema, "strict": form.strict is not False}
    if form.description is not None:
        inner["description"] = form.description
    return {"type": "json_schema", "json_schema": inner}


def _add_tools(document: dict[str, Json], conversation: Conversation) -> None:
    if not conversation.tools:
        return
    tools: list[Json] = []
    for tool in conversation.tools:
        function: dict[str, Json] = {"name": tool.name, "parameters": tool.schema}
        if tool.description is not None:
            function["description"] = tool.description
        if tool.strict is not None:
            function["strict"] = tool.strict
        tools.append({"type": "function", "function": function})
    document["tools"] = tools
    if conversation.parallel_tools is not None:
        document["parallel_tool_calls"] = conversation.parallel_tools
    if choice := conversation.tool_choice:
        document["tool_choice"] = (
            {"type": "function", "function": {"name": choice.name}} if choice.mode == "tool" else choice.mode
        )


def _messages(message: Message, reasoning_field: str | None) -> list[dict[str, Json]]:
    if message.role == "assistant":
        return [_assistant(message, reasoning_field)]
    written = [
        _tool_result(part, message.path, index)
        for index, part in enumerate(message.parts)
        if isinstance(part, ToolResult)
    ]
    rest = [part for part in message.parts if isinstance(part, Text | Image)]
    if rest or not written:
        fields: dict[str, Json] = {"role": message.role, "content": _content(rest)}
        if message.name is not None:
            fields["name"] = message.name
        written.append(fields)
    return written


def _content(parts: list[Text | Image]) -> Json:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Text | Image) -> dict[str, Json]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    image: dict[str, Json] = {"url": to_url(part)}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _tool_result(result: ToolResult, path: str, index: int) -> dict[str, Json]:
    texts: list[str] = []
    for inner, part in enumerate(result.parts):
        if isinstance(part, Image):
            raise unsupported(
                f"{path}.content[{index}].content[{inner}]",
                "a tool's result may hold no image on OpenAI's wire, which the chosen model speaks",
            )
        texts.append(part.text)
    content: Json = texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]
    if result.is_error:
        content = "Error: " + "\n".join(texts)  # this wire has no other way to say it
    return {"role": "tool", "tool_call_id": result.call_id, "content": content or ""}


def _assistant(message: Message, reasoning_field: str | None) -> dict[str, Json]:
    fields: dict[str, Json] = {"role": "assistant"}
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for index, part in enumerate(message.parts):
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case ToolCall():
                function = {"name": part.name, "arguments": part.arguments or "{}"}
                calls.append({"id": part.id, "type": "function", "function": function})
            case Thinking():
                thoughts.append(_thought(part, f"{message.path}.content[{index}]", reasoning_field))
            case _:
                raise unsupported(f"{message.path}.content[{index}]", "an assistant's message cannot hold this")
    fields["content"] = "".join(texts) if texts or not calls else None
    if thoughts and reasoning_field:
        fields[reasoning_field] = "".join(thoughts)
    if calls:
        fields["tool_calls"] = calls
    return fields


def _thought(part: Thinking, path: str, reasoning_field: str | None) -> str:
    if part.signature or part.redacted:
        raise unsupported(path, "signed thinking can go back only to the vendor that signed it; leave it out")
    if reasoning_field is None:
        raise unsupported(path, "the chosen model takes no earlier thinking back; leave it out")
    return part.text
