"""Workers AI through the AI binding (developers.cloudflare.com/workers-ai/models)."""

from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.inference.providers import _failure
from handlers.inference.wires import Upstream
from handlers.inference.wires.openai_chat.failure import read_error as read_message
from shared.edge.ports import HttpRequest
from shared.spec import compiled

WIRE = "openai_chat"
USES_AI_PORT = True

_MODELS = {
    "gpt-oss-20b": "@cf/openai/gpt-oss-20b",
    "gpt-oss-120b": "@cf/openai/gpt-oss-120b",
    "llama-3.1-8b": "@cf/meta/llama-3.1-8b-instruct-fp8",
    "llama-3.2-1b": "@cf/meta/llama-3.2-1b-instruct",
    "llama-3.2-3b": "@cf/meta/llama-3.2-3b-instruct",
    "llama-3.3-70b": "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "llama-4-scout": "@cf/meta/llama-4-scout-17b-16e-instruct",
    "mistral-small-3.1-24b": "@cf/mistralai/mistral-small-3.1-24b-instruct",
    "gemma-3-12b": "@cf/google/gemma-3-12b-it",
    "qwen3-30b-a3b": "@cf/qwen/qwen3-30b-a3b-fp8",
}
"""Short names of the catalogue's chat models. Others are named by what stands after `@cf/`: `meta/llama-guard-3-8b`."""
_IMAGE_TOKENS = 6_404
"""Four tiles of 1,601 tokens in Llama's vision models (docs.together.ai/docs/vision-overview)."""


def upstream(model: str) -> Upstream:
    """Older models answer in `{"response": ...}`, so answers are read and written anew."""
    name = _MODELS.get(model) or (model if model.startswith("@") else f"@cf/{model}")
    return Upstream(name, reasoning_field="reasoning_content", image_tokens=_IMAGE_TOKENS, passthrough=False)


def request(config: compiled.Provider, key: str | None, document: bytes, headers: Mapping[str, str]) -> HttpRequest:
    raise NotImplementedError("Workers AI is called through the Ai port (USES_AI_PORT)")


def read_error(config: compiled.Provider, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    return _failure.from_status(config.name, status, headers, read_message(body))
