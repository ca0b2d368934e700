"""A Chat Completions request read into a conversation. Fields: platform.openai.com/docs/api-reference/chat/create."""

from collections.abc import Callable
from typing import Any

from handlers.inference.conversation import Conversation, Parsed, ResponseFormat, Tool, ToolChoice
from handlers.inference.wires.document import decode
from handlers.inference.wires.fields import (
    MAX_TOKENS,
    Fields,
    Later,
    invalid,
    items,
    string,
    type_of,
    unsupported,
)
from handlers.inference.wires.openai_chat.messages import read_messages
from shared.edge.ports import Json

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

ONLY_HERE = ("logit_bias", "metadata", "prompt_cache_key", "verbosity")
"""Passed on to an upstream of this wire; no other wire has them."""

KNOWN = frozenset(
    (
        *ONLY_HERE,
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "user",
        "safety_identifier",
    )
)

LATER: Later = {
    "n": (None, 1),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "service_tier": (None, "auto", "default"),
    "store": (None, False),
    "web_search_options": (None,),
    "functions": (None,),
    "function_call": (None,),
    "prompt_cache_options": (None,),
    "prompt_cache_retention": (None,),
    "moderation": (None,),
}
_CUSTOM_TOOL: Later = {"custom": (None,)}


def parse(body: bytes) -> Parsed:
    document = decode(body)
    fields = Fields(document, "", KNOWN, LATER)
    stream = fields.flag("stream") or False
    max_output = _max_output(fields)
    end_user = fields.text("safety_identifier") or fields.text("user")
    tools = _tools(fields)
    optional = {name: read(fields) for name, read in _OPTIONAL.items() if name in document}
    conversation = Conversation(
        messages=read_messages(items(fields.required("messages"), "messages", least=1)),
        tools=tools,
        tool_choice=_tool_choice(fields, tools),
        parallel_tools=fields.flag("parallel_tool_calls"),
        max_output=max_output,
        end_user=end_user,
        only_here=_only_here(fields, document),
        **optional,
    )
    return Parsed(
        conversation=conversation,
        model=fields.required_text("model", 200),
        stream=stream,
        max_output=max_output,
        end_user=end_user,
        document=document,
        include_usage=_include_usage(fields, stream=stream),
    )


def _max_output(fields: Fields) -> int | None:
    newer = fields.integer("max_completion_tokens", 1, MAX_TOKENS)
    older = fields.integer("max_tokens", 1, MAX_TOKENS)
    if newer is not None and older is not None:
        raise invalid("max_tokens", "give either max_completion_tokens or max_tokens, not both")
    return newer if newer is not None else older


def _include_usage(fields: Fields, *, stream: bool) -> bool:
    if not fields.has("stream_options"):
        return False
    if not stream:
        raise invalid("stream_options", 'goes with "stream": true only')
    options = Fields(fields.raw("stream_options"), "stream_options", ("include_usage", "include_obfuscation"))
    options.flag("include_obfuscation")
    return options.flag("include_usage") or False


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.raw("stop")
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    listed = items(value, "stop")
    if len(listed) > 4:
        raise invalid("stop", "takes at most 4 sequences")
    return tuple(string(item, f"stop[{index}]") for index, item in enumerate(listed))


def _tools(fields: Fields) -> tuple[Tool, ...]:
    if not fields.has("tools"):
        return ()
    return tuple(_tool(item, f"tools[{index}]") for index, item in enumerate(items(fields.raw("tools"), "tools")))


def _tool(value: Json, path: str) -> Tool:
    if (kind := type_of(value, path)) != "function":
        raise unsupported(f"{path}.type", f"tools of type {kind[:60]} are not supported yet")
    outer = Fields(value, path, ("type", "function"), _CUSTOM_TOOL)
    function = Fields(outer.required("function"), f"{path}.function", ("name", "description", "parameters", "strict"))
    return Tool(
        name=function.required_text("name", 128),
        description=function.text("description"),
        schema=function.object("parameters") or {"type": "object", "properties": {}},
        strict=function.flag("strict"),
        path=path,
    )


def _tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> ToolChoice | None:
    value = fields.raw("tool_choice")
    if value is None:
        return None
    if isinstance(value, str) and value in ("auto", "none"):
        return ToolChoice("auto" if value == "auto" else "none")
    if not tools:
        raise invalid("tool_choice", "goes with tools only")
    if value == "required":
        return ToolChoice("required")
    if isinstance(value, str):
        raise invalid("tool_choice", "must be auto, none, required or an object that names a function")
    if (kind := type_of(value, "tool_choice")) != "function":
        raise unsupported("tool_choice.type", f"{kind[:60]} is not supported yet")
    outer = Fields(value, "tool_choice", ("type", "function"))
    name = Fields(outer.required("function"), "tool_choice.function", ("name",)).required_text("name", 128)
    if name not in {tool.name for tool in tools}:
        raise invalid("tool_choice.function.name", "names no tool of this request")
    return ToolChoice("tool", name)


def _response_format(fields: Fields) -> ResponseFormat | None:
    if not fields.has("response_format"):
        return None
    value, path = fields.raw("response_format"), "response_format"
    kind = type_of(value, path)
    if kind in ("text", "json_object"):
        Fields(value, path, ("type",))
        return None if kind == "text" else ResponseFormat("json_object")
    if kind != "json_schema":
        raise invalid(f"{path}.type", "must be text, json_object or json_schema")
    inner = f"{path}.json_schema"
    outer = Fields(value, path, ("type", "json_schema"))
    form = Fields(outer.required("json_schema"), inner, ("name", "description", "schema", "strict"))
    return ResponseFormat(
        "json_schema",
        schema=form.object("schema"),
        name=form.required_text("name", 64),
        description=form.text("description"),
        strict=form.flag("strict"),
    )


def _only_here(fields: Fields, document: dict[str, Json]) -> tuple[str, ...]:
    given = tuple(name for name in ONLY_HERE if name in document and fields.has(name))
    if given:
        fields.object("logit_bias")
        fields.object("metadata")
        fields.text("prompt_cache_key")
        fields.choice("verbosity", ("low", "medium", "high"))
    return given


_OPTIONAL: dict[str, Callable[[Fields], Any]] = {
    "temperature": lambda fields: fields.number("temperature", 0, 2),
    "top_p": lambda fields: fields.number("top_p", 0, 1),
    "frequency_penalty": lambda fields: fields.number("frequency_penalty", -2, 2),
    "presence_penalty": lambda fields: fields.number("presence_penalty", -2, 2),
    "seed": lambda fields: fields.integer("seed", -(2**63), 2**63 - 1),
    "stop": _stop,
    "response_format": _response_format,
    "reasoning_effort": lambda fields: fields.choice("reasoning_effort", EFFORTS),
}
"""Fields that go by the same name in the conversation."""
