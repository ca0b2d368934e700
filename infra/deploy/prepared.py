"""Before a run: files read and checked, stacks in order, and what each of them is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.bundle import Module, worker_modules
from infra.config import BASE, ROOT, ConfigError, Get, read_base_config, read_cell_config
from infra.deploy.adoption import find_adoptions, wanted_in
from infra.deploy.target import NAMESPACE, Target, stack_config
from infra.names import CONTROL
from infra.specs import Specs, directory_document, load_specs, tenants_document
from infra.twin.engine import Config, Engine, ResourceState

FIRST_CELL = "cell-1"
TENANT = "serai:index:Tenant"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Valid specs, and the stacks they make in the order of an apply."""

    target: Target
    engine: Engine
    specs: Specs
    placement: Mapping[str, str]
    stacks: tuple[str, ...]

    def config(self, stack: str) -> Config:
        return stack_config(self.target, stack, placement=self.placement)

    def adopting_config(self, stack: str) -> Config:
        """With what the account has and the stack lacks. Asks the account."""
        known = {resource.name for resource in resources(self.engine, stack)}
        wanted = wanted_in(stack, self.specs.of_cell(stack), self.target.zones)
        adopt = find_adoptions(self.target.api, self.target.state.secrets.account_id, wanted, known)
        return stack_config(self.target, stack, placement=self.placement, adopt=adopt)

    def modules(self, stack: str) -> list[Module]:
        """The modules that the program is going to write."""
        get = _getter(self.config(stack))
        if stack == BASE:
            return worker_modules(CONTROL, "directory.json", directory_document(read_base_config(get), self.specs))
        return worker_modules("cell", "tenants.json", tenants_document(read_cell_config(stack, get), self.specs))


def prepare(target: Target, *, only: str | None = None) -> Prepared:
    """Read and check every file. Raises SpecError, PlacementError or ConfigError before anything is changed."""
    engine = Engine(target.state, target.api, ROOT)
    known = target.state.stacks()
    lived = _where_tenants_live(engine, [stack for stack in known if stack != BASE])
    specs = load_specs(read_base_config(_getter(stack_config(target, BASE, placement=lived))))
    cells = {tenant.name: tenant.cell for tenant in specs.tenants}
    # A cell whose tenants are all gone stays, with none: their routes have to go, its Worker costs nothing.
    kept = {FIRST_CELL, *cells.values(), *(stack for stack in known if stack != BASE)}
    stacks = (BASE, *sorted(kept, key=stack_number))
    if only is not None and only not in stacks:
        raise ConfigError(f"There is no stack {only}. It may be: {', '.join(stacks)}.")
    return Prepared(target, engine, specs, cells, stacks if only is None else (only,))


def _where_tenants_live(engine: Engine, cells: Sequence[str]) -> dict[str, str]:
    """So that nothing moves: a tenant whose file names no cell stays where it is."""
    return {resource.name: cell for cell in cells for resource in resources(engine, cell) if resource.type == TENANT}


def resources(engine: Engine, stack: str) -> list[ResourceState]:
    return engine.resources(stack) if stack in engine.state.stacks() else []


def _getter(config: Config) -> Get:
    return lambda key: config.values.get(NAMESPACE + key)


def stack_number(stack: str) -> int:
    """Base first, then cells by number."""
    return 0 if stack == BASE else int(stack.rpartition("-")[2])
