"""Exchanges of providers (../data/*.json): what was asked, what they answered, what it means."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from handlers.inference.conversation import (
    Answer,
    Event,
    Refusal,
    RefusalDelta,
    Stop,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires.usage import UNKNOWN, merge
from shared.prices.usage import Usage

DATA = Path(__file__).parents[1] / "data"
EXCHANGES: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}

Meaning = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`answered` runs over unstreamed exchanges, `streamed` over streamed ones, `asked` over those with a request."""
    for name, field in {"answered": "answer", "streamed": "stream", "asked": "request"}.items():
        if name in metafunc.fixturenames:
            chosen = {key: value for key, value in EXCHANGES.items() if field in value}
            metafunc.parametrize(name, list(chosen.values()), ids=list(chosen))


@pytest.fixture
def stream_bytes() -> Callable[[dict[str, Any]], bytes]:
    return lambda exchange: ("\n".join(exchange["stream"]) + "\n").encode()


@pytest.fixture
def meaning_of_answer() -> Callable[[Answer], Meaning]:
    return _meaning_of_answer


@pytest.fixture
def meaning_of_events() -> Callable[[Iterable[Event]], Meaning]:
    return _meaning_of_events


def _meaning_of_answer(answer: Answer) -> Meaning:
    def joined(*kinds: type) -> str:
        return "".join(getattr(part, "text", "") for part in answer.parts if isinstance(part, kinds))

    calls = [[part.id, part.name, part.arguments] for part in answer.parts if isinstance(part, ToolCall)]
    return {
        "text": joined(Text),
        "thinking": joined(Thinking),
        "refusal": joined(Refusal),
        "calls": calls,
        "stop": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "usage": _known(answer.usage),
    }


def _meaning_of_events(events: Iterable[Event]) -> Meaning:
    meaning: Meaning = {"text": "", "thinking": "", "refusal": "", "calls": [], "stop": None, "stop_sequence": None}
    usage = UNKNOWN
    for event in events:
        match event:
            case TextDelta():
                meaning["text"] += event.text
            case ThinkingDelta():
                meaning["thinking"] += event.text
            case RefusalDelta():
                meaning["refusal"] += event.text
            case ToolCallStart():
                assert event.index == len(meaning["calls"])
                meaning["calls"].append([event.id, event.name, ""])
            case ToolCallDelta():
                meaning["calls"][event.index][2] += event.arguments
            case Stop():
                meaning["stop"], meaning["stop_sequence"] = event.reason, event.stop_sequence
            case UsageReport():
                usage = merge(usage, event.usage)
            case _:
                pass
    return {**meaning, "usage": _known(usage)}


def _known(usage: Usage) -> dict[str, int]:
    return {name: value for name, value in asdict(usage).items() if value is not None}
