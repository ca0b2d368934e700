"""Images as callers name them: `data:` URLs and links."""

import re

from handlers.inference.conversation import Image
from handlers.inference.wires.fields import invalid, unsupported

MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What both vendors take (platform.openai.com/docs/guides/images-vision, platform.claude.com/docs/.../vision)."""

_DATA_URL = re.compile(r"data:([^;,]*);base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def from_url(url: str, path: str, detail: str | None = None) -> Image:
    if match := _DATA_URL.match(url):
        return from_data(match.group(1).lower(), url[match.end() :], path, detail)
    if not url.lower().startswith(("https://", "http://")):
        raise invalid(path, "must be an https:// link or data:image/...;base64,...")
    if any(character <= " " for character in url):
        raise invalid(path, "must be a link without spaces")
    return Image(url=url, detail=detail)


def from_data(media_type: str, data: str, path: str, detail: str | None = None) -> Image:
    if media_type not in MEDIA_TYPES:
        raise unsupported(path, f"the media type must be one of {', '.join(MEDIA_TYPES)}")
    if not _BASE64.fullmatch(data) or len(data) % 4:
        raise invalid(path, "must be base64 without line breaks")
    return Image(media_type=media_type, data=data, detail=detail)


def to_url(image: Image) -> str:
    return image.url or f"data:{image.media_type};base64,{image.data}"
