"""OpenAI (platform.openai.com/docs/api-reference/chat)."""

from handlers.inference.providers.openai_compatible import USES_AI_PORT, WIRE, read_error, request
from handlers.inference.wires import Upstream

__all__ = ["USES_AI_PORT", "WIRE", "read_error", "request", "upstream"]

_IMAGE_TOKENS = 5_000
"""1,536 patches at 2.46 tokens (gpt-4.1-nano) and some margin; 1,445 on tiles (images-vision, "Calculating costs")."""
_DEAR_IMAGES = "4o-mini"
"""The model that counts 2,833 + 5,667 a tile: the bound that wires assume when nothing smaller is known."""


def upstream(model: str) -> Upstream:
    """`max_tokens` is deprecated and refused by reasoning models."""
    if _DEAR_IMAGES in model:
        return Upstream(model, max_output_field="max_completion_tokens")
    return Upstream(model, max_output_field="max_completion_tokens", image_tokens=_IMAGE_TOKENS)
