"""A Messages request read into a conversation. Fields: platform.claude.com/docs/en/api/messages/create."""

from typing import Literal

from handlers.inference.conversation import (
    Conversation,
    Message,
    Parsed,
    ResponseFormat,
    ThinkingMode,
    Tool,
    ToolChoice,
)
from handlers.inference.wires.anthropic_messages.caching import Marks
from handlers.inference.wires.anthropic_messages.messages import read_messages, read_system
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
from shared.edge.ports import Json

EFFORTS = ("low", "medium", "high", "xhigh", "max")
KNOWN = frozenset(
    (
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "cache_control",
    )
)
LATER: Later = {
    "service_tier": (None, "auto", "standard_only"),
    "speed": (None, "standard"),
    "container": (None,),
    "context_management": (None,),
    "diagnostics": (None,),
    "inference_geo": (None,),
    "mcp_servers": (None, []),
    "betas": (None, []),
}
_LATER_TOOL: Later = {
    "allowed_callers": (None, ["direct"]),
    "defer_loading": (None, False),
    "eager_input_streaming": (None, False),
    "input_examples": (None, []),
}
_MODES: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "any": "required"}
MIN_THINKING_BUDGET = 1_024


def parse(body: bytes) -> Parsed:
    document = decode(body)
    fields = Fields(document, "", KNOWN, LATER)
    marks = Marks()
    marks.take(fields)
    model = fields.required_text("model", 200)
    fields.required("max_tokens")
    max_output = fields.integer("max_tokens", 1, MAX_TOKENS)
    messages = _messages(fields, marks)
    tools = _tools(fields, marks)
    choice, parallel = _tool_choice(fields, tools)
    effort, form = _output_config(fields)
    end_user = _end_user(fields)
    stream = fields.flag("stream") or False
    conversation = Conversation(
        messages=messages,
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        max_output=max_output,
        temperature=fields.number("temperature", 0, 1),
        top_p=fields.number("top_p", 0, 1),
        top_k=fields.integer("top_k", 0, 1_000_000),
        stop=_stop(fields),
        response_format=form,
        reasoning_effort=effort,
        thinking=_thinking(fields),
        end_user=end_user,
        only_here=tuple(marks.paths),
    )
    return Parsed(conversation, model, stream, max_output, end_user, document)


def _messages(fields: Fields, marks: Marks) -> tuple[Message, ...]:
    system = read_system(fields.raw("system"), marks) if fields.has("system") else ()
    return system + read_messages(items(fields.required("messages"), "messages", least=1), marks)


def _stop(fields: Fields) -> tuple[str, ...]:
    if not fields.has("stop_sequences"):
        return ()
    listed = items(fields.raw("stop_sequences"), "stop_sequences")
    return tuple(string(item, f"stop_sequences[{index}]") for index, item in enumerate(listed))


def _tools(fields: Fields, marks: Marks) -> tuple[Tool, ...]:
    if not fields.has("tools"):
        return ()
    listed = items(fields.raw("tools"), "tools")
    return tuple(_tool(item, f"tools[{index}]", marks) for index, item in enumerate(listed))


def _tool(value: Json, path: str, marks: Marks) -> Tool:
    if isinstance(value, dict) and value.get("type") is not None and (tag := type_of(value, path)) != "custom":
        raise unsupported(f"{path}.type", f"server tools ({tag[:60]}) are not supported yet")
    known = ("type", "name", "description", "input_schema", "strict", "cache_control")
    tool = Fields(value, path, known, _LATER_TOOL)
    marks.take(tool)
    tool.required("input_schema")
    return Tool(
        name=tool.required_text("name", 128),
        description=tool.text("description"),
        schema=tool.object("input_schema") or {},
        strict=tool.flag("strict"),
        path=path,
    )


def _tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> tuple[ToolChoice | None, bool | None]:
    value, path = fields.raw("tool_choice"), "tool_choice"
    if value is None:
        return None, None
    tag = type_of(value, path)
    if tag != "tool" and tag not in _MODES:
        raise invalid(f"{path}.type", "must be auto, any, none or tool")
    known = ("type", "name") if tag == "tool" else ("type",)
    choice = Fields(value, path, known if tag == "none" else (*known, "disable_parallel_tool_use"))
    if not tools and tag != "none":
        raise invalid(path, "goes with tools only")
    disabled = None if tag == "none" else choice.flag("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    if tag != "tool":
        return ToolChoice(_MODES[tag]), parallel
    name = choice.required_text("name", 128)
    if name not in {tool.name for tool in tools}:
        raise invalid(f"{path}.name", "names no tool of this request")
    return ToolChoice("tool", name), parallel


def _thinking(fields: Fields) -> ThinkingMode | None:
    value, path = fields.raw("thinking"), "thinking"
    if value is None:
        return None
    tag = type_of(value, path)
    if tag == "disabled":
        Fields(value, path, ("type",))
        return ThinkingMode("disabled")
    if tag not in ("enabled", "adaptive"):
        raise invalid(f"{path}.type", "must be enabled, adaptive or disabled")
    mode = Fields(value, path, ("type", "display", "budget_tokens") if tag == "enabled" else ("type", "display"))
    display = mode.choice("display", ("summarized", "omitted"))
    if tag == "adaptive":
        return ThinkingMode("adaptive", display=display)
    mode.required("budget_tokens")
    return ThinkingMode("enabled", mode.integer("budget_tokens", MIN_THINKING_BUDGET, MAX_TOKENS), display)


def _output_config(fields: Fields) -> tuple[str | None, ResponseFormat | None]:
    if not fields.has("output_config"):
        return None, None
    config = Fields(fields.raw("output_config"), "output_config", ("effort", "format"), {"task_budget": (None,)})
    effort = config.choice("effort", EFFORTS)
    if not config.has("format"):
        return effort, None
    path = "output_config.format"
    if type_of(config.raw("format"), path) != "json_schema":
        raise invalid(f"{path}.type", "must be json_schema")
    form = Fields(config.raw("format"), path, ("type", "schema"))
    form.required("schema")
    return effort, ResponseFormat("json_schema", schema=form.object("schema"), strict=True)


def _end_user(fields: Fields) -> str | None:
    if not fields.has("metadata"):
        return None
    return Fields(fields.raw("metadata"), "metadata", ("user_id",)).text("user_id")
