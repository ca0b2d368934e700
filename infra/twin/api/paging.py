"""Lists by page, as Cloudflare answers them: past the last page comes an empty one."""

import math
from collections.abc import Callable
from typing import Any

from infra.twin.account.documents import Document
from infra.twin.api.call import Call, Reply
from infra.twin.api.errors import ApiError


def page(
    call: Call,
    documents: list[Document],
    *,
    default: int = 20,
    most: int = 1000,
    show: Callable[[Document], Any] = lambda document: document,
) -> Reply:
    number = whole(call, "page", 1)
    size = min(whole(call, "per_page", default), most)
    part = documents[(number - 1) * size : number * size]
    info = {
        "page": number,
        "per_page": size,
        "count": len(part),
        "total_count": len(documents),
        "total_pages": math.ceil(len(documents) / size),
    }
    return Reply([show(document) for document in part], info)


def whole(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= 10**9):
        raise ApiError(400, 7400, f"{name}: {text[:40]!r} is not a number from 1 on")
    return int(text)
