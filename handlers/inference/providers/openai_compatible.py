"""Any server that speaks OpenAI's Chat Completions: an entry in infra/providers.yaml is all it takes."""

from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.inference.providers import _failure
from handlers.inference.wires import Upstream
from handlers.inference.wires.openai_chat.failure import read_error as read_message
from shared.edge.ports import HttpRequest
from shared.spec import compiled

WIRE = "openai_chat"
USES_AI_PORT = False


def upstream(model: str) -> Upstream:
    """`max_tokens` is the name that all of them know; `reasoning_content` is DeepSeek's, taken by most."""
    return Upstream(model, max_output_field="max_tokens", reasoning_field="reasoning_content")


def request(
    config: compiled.Provider,
    key: str | None,
    document: bytes,
    headers: Mapping[str, str],  # noqa: ARG001  none of the caller's headers mean anything here
) -> HttpRequest:
    sent = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
    if key:
        sent.append(("authorization", f"Bearer {key}"))
    base = (config.base_url or "").rstrip("/")
    return HttpRequest("POST", f"{base}/chat/completions", tuple(sent), document)


def read_error(config: compiled.Provider, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    return _failure.from_status(config.name, status, headers, read_message(body))
