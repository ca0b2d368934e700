"""Wire `openai_chat`: OpenAI's Chat Completions (platform.openai.com/docs/api-reference/chat)."""

from handlers.inference.conversation import Parsed
from handlers.inference.wires.bounds import IMAGE
from handlers.inference.wires.bounds import input_bound as _input_bound
from handlers.inference.wires.openai_chat.answer import read_answer, read_passthrough
from handlers.inference.wires.openai_chat.build import build
from handlers.inference.wires.openai_chat.failure import format_error, format_stream_error, read_error
from handlers.inference.wires.openai_chat.formatter import stream_formatter
from handlers.inference.wires.openai_chat.passthrough import (
    passthrough_stream,
    prepare_document,
    prepare_passthrough,
)
from handlers.inference.wires.openai_chat.reader import stream_reader
from handlers.inference.wires.openai_chat.reply import format_answer
from handlers.inference.wires.openai_chat.request import parse

NAME = "openai_chat"

__all__ = [
    "NAME",
    "build",
    "format_answer",
    "format_error",
    "format_stream_error",
    "input_bound",
    "parse",
    "passthrough_stream",
    "prepare_document",
    "prepare_passthrough",
    "read_answer",
    "read_error",
    "read_passthrough",
    "stream_formatter",
    "stream_reader",
]


def input_bound(parsed: Parsed, image_tokens: int = IMAGE) -> int:
    return _input_bound(parsed.conversation, image_tokens)
