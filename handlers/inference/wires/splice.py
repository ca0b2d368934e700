"""Changing a few top-level values of a JSON object in its bytes, leaving every other byte as the caller wrote it."""

import json
import re
from collections.abc import Collection
from typing import NamedTuple

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)
_SCALAR = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*"|[-+.0-9eE]+|null|true|false)', re.DOTALL)
_SPACE = b" \t\r\n"
_BEFORE_KEY = b"{," + _SPACE


class Span(NamedTuple):
    """Where a member of the object stands: its key's first byte, its value's first byte and the one after its last."""

    key: int
    start: int
    end: int


def replace(
    body: bytes, present: Collection[str], values: dict[str, bytes], renamed: dict[str, str] | None = None
) -> bytes:
    """Set top-level members to encoded values, adding those not `present`; `renamed` gives members another key.

    `body` is a valid JSON object without duplicate keys, and `present` are its top-level keys.
    """
    renamed = renamed or {}
    spans = _spans(body, {name for name in (*values, *renamed) if name in present})
    edits: list[tuple[int, int, bytes]] = []
    added = b""
    for name, value in values.items():
        if span := spans.get(name):
            edits.append((span.start, span.end, value))
        else:
            added += json.dumps(name).encode() + b":" + value + b","
    for name, other in renamed.items():
        key = spans[name].key
        edits.append((key, body.index(b":", key), json.dumps(other).encode()))
    if added:
        opening = body.index(b"{") + 1
        edits.append((opening, opening, added))
    for start, end, value in sorted(edits, reverse=True):
        body = body[:start] + value + body[end:]
    return body


def _spans(body: bytes, names: set[str]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    # A key may be spelled with escapes (`\u006dodel`), and then what is found unescaped could be another, inner one.
    if b"\\u00" not in body:
        for name in names:
            if span := _only_place(body, b'"' + name.encode() + b'"'):
                found[name] = span
    if len(found) < len(names):
        everything = members(body)
        return {name: everything[name] for name in names}
    return found


def _only_place(body: bytes, key: bytes) -> Span | None:
    """The member with that key, when the key's bytes occur once and its value is a scalar.

    A quote after `{`, `,` or space that is not escaped opens a string, so this cannot be the inside of a text.
    """
    at = body.find(key)
    if at < 1 or body[at - 1] not in _BEFORE_KEY or body.find(key, at + 1) >= 0:
        return None
    match = _SCALAR.match(body, at + len(key))
    return Span(at, match.start(1), match.end(1)) if match else None


def members(body: bytes) -> dict[str, Span]:
    """The top-level members of a valid JSON object, found in one pass over its strings and brackets."""
    found: dict[str, Span] = {}
    level, key, key_at, value_at = 0, "", 0, -1
    for match in _TOKEN.finditer(body):
        at = match.start()
        first = body[at : at + 1]
        if first in (b"{", b"["):
            level += 1
        elif first in (b"}", b"]"):
            level -= 1
        if first == b'"' and value_at < 0:
            key, key_at = json.loads(match.group()), at
        elif first == b":" and level == 1:
            value_at = at + 1
        elif value_at >= 0 and ((first == b"," and level == 1) or level == 0):
            found[key] = _trimmed(body, key_at, value_at, at)
            value_at = -1
    return found


def _trimmed(body: bytes, key: int, start: int, end: int) -> Span:
    while body[start] in _SPACE:
        start += 1
    while body[end - 1] in _SPACE:
        end -= 1
    return Span(key, start, end)
