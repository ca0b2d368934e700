"""What the provider knows of a resource type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.twin.engine.provider.api import Api
from infra.twin.engine.values import Values, reveal

Body = Callable[["Kind", Values, Path], Any]
Match = Callable[[Api, "Kind", Values, dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of pulumi-cloudflare 6.17.0, as facts. Names of properties are Pulumi's."""

    type: str
    path: str
    """Of the collection; `{name}` is an input."""
    properties: tuple[str, ...]
    """Inputs that go into a request's body."""
    computed: tuple[str, ...] = ()
    told_as_json: frozenset[str] = frozenset()
    """Objects of the answer that the provider hands on as JSON text."""
    identity: str = "id"
    """Where the API's answer names it."""
    replace_on: frozenset[str] = frozenset()
    """Inputs whose change makes a new one. What the path is made of always does."""
    immutable: bool = False
    """Every change makes a new one."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Properties whose name in the API is not just in another case."""
    defaults: Values = field(default_factory=dict[str, Any])
    """What the provider sends where the program is silent."""
    defaults_within: Values = field(default_factory=dict[str, Any])
    """The same, where the program gives the object that they are in."""
    undeclared: tuple[str, ...] = ()
    """Inputs that a refresh learns from the API, so that the next run would take them away: declare them."""
    create_method: str = "POST"
    update_method: str = "PUT"
    singleton: bool = False
    """One per parent, without a path of its own."""
    upsert: bool = False
    """Created and updated by the same request to the collection."""
    delete_method: str | None = "DELETE"
    read_query: Mapping[str, str] = field(default_factory=dict[str, str])
    natural: tuple[tuple[str, str], ...] = ()
    """Pairs of an input and a field of the API's answer that together find a resource whose id is not known."""
    search: Mapping[str, str] = field(default_factory=dict[str, str])
    """Query of the list -> input, where the API can filter."""
    created: str = ""
    """The field of the answer that tells when it was made."""
    body: Body | None = None
    headers: Callable[[Values], dict[str, str]] | None = None
    match: Match | None = None
    """Whether a listed one is what the inputs describe, where `natural` does not tell."""

    @property
    def scope(self) -> tuple[str, ...]:
        """The inputs that the path is made of, in the order of an import id."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def all_properties(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.scope, *self.properties, *self.computed)))

    def collection(self, inputs: Values) -> str:
        return self.path.format(**{name: reveal(inputs.get(name)) for name in self.scope})

    def item(self, inputs: Values, identity: str) -> str:
        return self.collection(inputs) if self.singleton else f"{self.collection(inputs)}/{identity}"

    def replaces(self, changed: set[str]) -> bool:
        return bool(changed) and (self.immutable or bool(changed & (self.replace_on | set(self.scope))))
