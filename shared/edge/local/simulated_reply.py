"""What the simulated model says: plain text, JSON that fits a schema, or calls of the tools it was given."""

import hashlib
import json
import re
from dataclasses import dataclass

from shared.edge.local.json_shape import is_list, is_object
from shared.edge.local.schema_example import example
from shared.edge.ports import AiError, Json

_PIECE = re.compile(r"\s*\S{1,12}|\s+")
_WORD = re.compile(r"\w+")
_ASKING = frozenset({"use", "call", "tool", "tools", "function", "functions"})
_DULL = frozenset({"get", "set", "the", "and", "for", "list", "make", "run", "find", "search", "tool", "function"})
"""Parts of tool names that do not tell one tool from another."""


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    calls: tuple[Call, ...] = ()


def pieces(text: str) -> list[str]:
    """The text in words with the space before them, long words in several: what counts as a token here."""
    return _PIECE.findall(text)


def compose(model: str, messages: list[dict[str, Json]], inputs: dict[str, Json]) -> Reply:
    last = messages[-1]
    asked = _last_text(messages, "user")
    if last.get("role") == "tool":
        return Reply(_about_result(model, messages, inputs))
    calls = _calls(asked, inputs, turn=len(messages))
    if calls:
        return Reply("", calls)
    as_json = _json_answer(asked, inputs)
    if as_json is not None:
        return Reply(as_json)
    said = f' You said: "{_shorten(asked)}"' if asked else ""
    return Reply(f"This is a simulated answer of {model}: no real model was asked.{said}")


def _about_result(model: str, messages: list[dict[str, Json]], inputs: dict[str, Json]) -> str:
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        results.insert(0, _shorten(_text(message)))
    told = "; ".join(results)
    as_json = _json_answer(told, inputs)
    return as_json or f"This is a simulated answer of {model}: the tool answered {told}"


def _json_answer(text: str, inputs: dict[str, Json]) -> str | None:
    wanted = inputs.get("response_format")
    kind = wanted.get("type") if is_object(wanted) else None
    if kind == "json_object":
        return json.dumps({"simulated": True, "answer": _shorten(text)}, ensure_ascii=False)
    if kind == "json_schema":
        outer = wanted.get("json_schema") if is_object(wanted) else None
        # Workers AI takes the schema itself here, OpenAI an object that holds it with a name.
        schema = outer.get("schema", outer) if is_object(outer) else None
        if not is_object(schema):
            raise AiError(400, "response_format.json_schema: a schema is required")
        return json.dumps(example(schema, text), ensure_ascii=False)
    return None


def _calls(asked: str, inputs: dict[str, Json], *, turn: int) -> tuple[Call, ...]:
    functions = _functions(inputs)
    if not functions:
        return ()
    chosen = _forced(inputs, functions, asked)
    if chosen is None:
        return ()
    if inputs.get("parallel_tool_calls") is False:
        chosen = chosen[:1]
    return tuple(
        Call(
            id=f"call_{hashlib.sha256(f'{turn} {index} {name} {asked}'.encode(errors='replace')).hexdigest()[:20]}",
            name=name,
            arguments=json.dumps(example(functions[name], asked), ensure_ascii=False),
        )
        for index, name in enumerate(chosen)
    )


def _functions(inputs: dict[str, Json]) -> dict[str, dict[str, Json]]:
    functions: dict[str, dict[str, Json]] = {}
    tools: Json = inputs.get("tools") or []
    for tool in tools:
        function = tool.get("function", tool) if is_object(tool) else None
        if not is_object(function) or not isinstance(function.get("name"), str):
            raise AiError(400, "tools: each needs a function with a name")
        functions[function["name"]] = function.get("parameters") or {}
    return functions


def _forced(inputs: dict[str, Json], functions: dict[str, dict[str, Json]], asked: str) -> list[str] | None:
    """The tools to call now; None: answer in words."""
    choice = inputs.get("tool_choice")
    if choice == "none":
        return None
    if is_object(choice):
        name = (choice.get("function") or choice).get("name")
        if name not in functions:
            raise AiError(400, f"tool_choice: there is no tool {name!r}")
        return [name]
    mentioned = [name for name in functions if _mentions(asked, name)]
    if mentioned:
        return mentioned
    if choice == "required" or _ASKING & set(_WORD.findall(asked.lower())):
        return [next(iter(functions))]
    return None


def _mentions(asked: str, name: str) -> bool:
    text = asked.lower()
    if name.lower() in text:
        return True
    said = set(_WORD.findall(text))
    parts = [part for part in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if part]
    return any(len(part) > 2 and part not in _DULL and part in said for part in parts)


def _last_text(messages: list[dict[str, Json]], role: str) -> str:
    return next((_text(message) for message in reversed(messages) if message.get("role") == role), "")


def _text(message: dict[str, Json]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if is_list(content) else []
    texts = [part["text"] for part in parts if is_object(part) and isinstance(part.get("text"), str)]
    images = sum(1 for part in parts if is_object(part) and part.get("type") == "image_url")
    return " ".join(texts + ["[an image]"] * images)


def _shorten(text: str) -> str:
    return text if len(text) <= 400 else text[:400] + "…"
