"""URNs, and those that a resource may have had before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STACK = "pulumi:pulumi:Stack"


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """The stack's own type is not part of its children's qualified type."""
    if parent and (qualified := qualified_type(parent)) != STACK:
        kind = f"{qualified}${kind}"
    return f"urn:pulumi:{stack}::{project}::{kind}::{name}"


def qualified_type(urn: str) -> str:
    return urn.split("::", 3)[2]


def urn_name(urn: str) -> str:
    return urn.split("::", 3)[3]


@dataclass(frozen=True, slots=True)
class Alias:
    """An earlier identity: a whole URN, or what differed."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


def earlier_urns(
    urn: str, parent: str, kind: str, aliases: Iterable[Alias], parents_earlier: Mapping[str, list[str]]
) -> list[str]:
    """All that a resource's aliases, and its parent's, say it may have been called."""
    stack, project = urn.removeprefix("urn:pulumi:").split("::", 2)[:2]
    found: list[str] = []
    for alias in (Alias(), *aliases):
        if alias.urn:
            found.append(alias.urn)
            continue
        before = alias.stack or stack, alias.project or project
        name = alias.name or urn_name(urn)
        found += [
            make_urn(*before, above, alias.type or kind, name if alias.parent else _with_parent(name, parent, above))
            for above in _parents(alias, parent, stack, project, parents_earlier)
        ]
    return [candidate for candidate in dict.fromkeys(found) if candidate != urn]


def _parents(alias: Alias, parent: str, stack: str, project: str, earlier: Mapping[str, list[str]]) -> list[str]:
    if alias.no_parent:
        return [make_urn(stack, project, "", STACK, f"{project}-{stack}")]
    return [alias.parent] if alias.parent else [parent, *earlier.get(parent, [])]


def _with_parent(name: str, parent: str, above: str) -> str:
    """A child that is named after its parent was renamed along with it."""
    if not parent or not above or above == parent or qualified_type(parent) == STACK:
        return name
    own, former = urn_name(parent), urn_name(above)
    return former + name.removeprefix(own) if name.startswith(own) else name
