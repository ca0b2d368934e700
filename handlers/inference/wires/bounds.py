"""How many tokens a request can have at most, and how many an answer has about. Pure arithmetic on text and constants.

A token of a byte-level tokenizer stands for at least one byte, so the UTF-8 length of a text bounds its tokens.
"""

import json

from handlers.inference.conversation import (
    Answer,
    Conversation,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

IMAGE = 48_169
"""The most an image costs on any model known here: gpt-4o-mini counts 2,833 + 5,667 a tile, at most 8 tiles
(platform.openai.com/docs/guides/images-vision, "Calculating costs").
Providers know smaller ones: `Upstream.image_tokens`.
"""
REQUEST = 512
"""What a chat template writes around the messages: 84 and 304 tokens were seen for one line on Groq and Cerebras."""
MESSAGE = 16
"""Role and separators of one message or tool call: 3 to 4 tokens on OpenAI's models
(cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken).
"""
TOOLS = 1_024
"""Instructions that come with tools or a response schema: up to 804 tokens on Claude models
(platform.claude.com/docs/en/agents-and-tools/tool-use/overview, "Pricing").
"""
BYTES_PER_TOKEN = 3
"""English text has about 4 bytes a token (platform.openai.com/tokenizer); the estimate errs to the caller's cost."""


def size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def input_bound(conversation: Conversation, image_tokens: int = IMAGE) -> int:
    total = REQUEST
    for message in conversation.messages:
        total += MESSAGE + size(message.name or "")
        for part in message.parts:
            total += _part_bound(part, image_tokens)
    if conversation.tools or conversation.response_format:
        total += TOOLS
    for tool in conversation.tools:
        total += MESSAGE + size(tool.name) + size(tool.description or "") + _json_size(tool.schema)
    if (form := conversation.response_format) and form.schema is not None:
        total += _json_size(form.schema) + size(form.name or "") + size(form.description or "")
    return total


def _part_bound(part: Part, image_tokens: int) -> int:
    match part:
        case Text() | Refusal():
            return size(part.text)
        case Image():
            return image_tokens
        case ToolCall():
            return MESSAGE + size(part.id) + size(part.name) + size(part.arguments)
        case ToolResult():
            inner = sum(_part_bound(item, image_tokens) for item in part.parts)
            return MESSAGE + size(part.call_id) + inner
        case Thinking():
            return size(part.text) + size(part.redacted or "") + size(part.signature or "")


def _json_size(document: object) -> int:
    return len(json.dumps(document))  # escapes only lengthen it


def answer_size(answer: Answer) -> int:
    """UTF-8 bytes generated."""
    return sum(_part_bound(part, 0) for part in answer.parts)


def estimate_tokens(generated_bytes: int) -> int:
    """Output tokens, judged by the bytes of generated text."""
    return -(-generated_bytes // BYTES_PER_TOKEN)
