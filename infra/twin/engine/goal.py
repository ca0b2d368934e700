"""What the program registers: a resource as it should be."""

from dataclasses import dataclass, field

from infra.twin.engine.journal import Row
from infra.twin.engine.urns import Alias
from infra.twin.engine.values import Secret, Values


@dataclass(frozen=True, slots=True)
class Goal:
    urn: str
    type: str
    name: str
    custom: bool
    inputs: Values
    parent: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    protect: bool = False
    retain: bool = False
    delete_before_replace: bool = False
    import_id: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    secret_outputs: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    deleted_with: str = ""

    def row(self, identity: str, inputs: Values, outputs: Values, *, external: bool = False) -> Row:
        """As the journal is to know it, once it is so."""
        return Row(
            urn=self.urn,
            type=self.type,
            name=self.name,
            custom=self.custom,
            id=identity,
            inputs=inputs,
            outputs={name: self._guarded(name, value) for name, value in outputs.items()},
            parent=self.parent,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            protect=self.protect,
            retain=self.retain,
            external=external,
            deleted_with=self.deleted_with,
        )

    def _guarded(self, name: str, value: object) -> object:
        return Secret(value) if name in self.secret_outputs and not isinstance(value, Secret) else value
