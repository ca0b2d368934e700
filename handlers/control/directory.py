"""`directory.json`: what the control endpoint tells about tenants. Compiled from the specs, without secrets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    id: str
    plan: str
    cell: str
    state: str
    endpoint: str
    domains: tuple[Mapping[str, str], ...]
    """`{name, status}` each."""


@dataclass(frozen=True, slots=True)
class Page:
    data: Sequence[Entry]
    next: str | None
    """What to ask for `after` to read on; None: this was the last page."""


@dataclass(frozen=True, slots=True)
class Directory:
    entries: tuple[Entry, ...]
    """Sorted by name."""

    def page(self, limit: int, after: str | None) -> Page:
        rest = [entry for entry in self.entries if after is None or entry.name > after]
        data = rest[:limit]
        return Page(data, data[-1].name if len(rest) > limit else None)


def read_directory(document: bytes) -> Directory:
    """Parse `directory.json`. Raises ValueError when the document is of another format."""
    data = json.loads(document)
    if data.get("format") != FORMAT:
        raise ValueError(f"directory.json has format {data.get('format')!r}; this version reads {FORMAT}")
    entries = [_entry(tenant) for tenant in data["tenants"]]
    return Directory(tuple(sorted(entries, key=lambda entry: entry.name)))


def _entry(tenant: dict[str, Any]) -> Entry:
    return Entry(
        name=tenant["name"],
        id=tenant["id"],
        plan=tenant["plan"],
        cell=tenant["cell"],
        state=tenant["state"],
        endpoint=tenant["endpoint"],
        domains=tuple(tenant["domains"]),
    )
