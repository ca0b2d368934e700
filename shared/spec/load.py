"""`tenants/*.yaml` -> tenants, or everything that is wrong with them, all files at once."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.prices.book import PriceBook
from shared.spec.checks import Check, Surroundings
from shared.spec.document import Document, Path_, read_document
from shared.spec.findings import Finding, shown_path
from shared.spec.later import refuse_later
from shared.spec.model import NAME, RESERVED_NAMES, TenantSpec
from shared.spec.plans import load_plans
from shared.spec.providers import ProviderConfig
from shared.spec.validate import Placeholders, validate

DEFAULT_CELL = "cell-1"
_PLACEHOLDERS: Placeholders = {
    ("plan",): "starter",
    ("contact",): "nobody@example.com",
    ("domains", -1): "placeholder.invalid",
    ("models", "allow", -1): "workers_ai/*",
}


@dataclass(frozen=True, slots=True)
class LoadedTenant:
    name: str
    path: Path
    spec: TenantSpec
    id: str
    """The spec's; made up from the name where it is missing and may be."""
    cell: str
    """The spec's, else the first one; `dataclasses.replace` it where placement says otherwise."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.spec.domains)


@dataclass(frozen=True, slots=True)
class Loaded:
    specs: tuple[LoadedTenant, ...]
    """Tenants without a finding, by name."""
    findings: tuple[Finding, ...]


def load_tenants(
    folders: Sequence[Path],
    *,
    book: PriceBook,
    providers: Mapping[str, ProviderConfig],
    zones: Sequence[str],
    placement_required: bool,
) -> Loaded:
    """Read the tenant files directly in each folder. `placement_required`: real stacks need `id` and `cell` in them."""
    added = (model for provider in providers.values() for model in provider.models)
    around = Surroundings(load_plans(), book.extended(added), providers, zones, placement_required)
    tenants: list[LoadedTenant] = []
    findings: list[Finding] = []
    taken: dict[tuple[str, str], str] = {}
    for folder in folders:
        for path in _files(folder, findings):
            document = read_document(path, inside=folder)
            tenant = _load(path, document, around, taken)
            if tenant is not None and not document.findings:
                tenants.append(tenant)
            findings.extend(sorted(document.findings, key=lambda finding: (finding.line, finding.column)))
    return Loaded(tuple(sorted(tenants, key=lambda tenant: tenant.name)), tuple(findings))


def made_up_id(name: str) -> str:
    """The identity of a tenant whose file names none, in the twin: stable, so that its database is found again."""
    return base64.b32encode(hashlib.sha256(f"serai/tenant/{name}".encode()).digest()).decode().lower()[:6]


def _files(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError):
        missing = "is not a folder that can be read"
        findings.append(Finding(shown_path(folder), 1, 1, "", "", missing, "Create it, or name another folder."))
        return
    for name in names:
        suffix = Path(name).suffix
        if name.startswith(".") or suffix.lower() not in (".yaml", ".yml"):
            continue
        if suffix != ".yaml":
            shown = shown_path(folder / name)
            findings.append(Finding(shown, 1, 1, "", "", "is not read", "Rename it, so that it ends in .yaml."))
            continue
        yield folder / name


def _load(
    path: Path, document: Document, around: Surroundings, taken: dict[tuple[str, str], str]
) -> LoadedTenant | None:
    name = path.stem
    _check_name(name, document)
    _claim(document, taken, (), "name", name)
    if not document.readable:
        return None
    later = refuse_later(document)
    for place in later & _PLACEHOLDERS.keys():
        document.data[str(place[0])] = _PLACEHOLDERS[place]
    spec, faulty = validate(TenantSpec, document, _PLACEHOLDERS)
    if spec is None:
        return None
    Check(document, spec, faulty | later, around).run()
    if spec.id is not None:
        _claim(document, taken, ("id",), "id", spec.id)
    for index, domain in enumerate(spec.domains):
        if ("domains", index) not in faulty:
            _claim(document, taken, ("domains", index), "domain", domain)
    return LoadedTenant(name, path, spec, spec.id or made_up_id(name), spec.cell or DEFAULT_CELL)


def _check_name(name: str, document: Document) -> None:
    if not NAME.fullmatch(name):
        remedy = "Name the file by 2 to 32 lower-case letters, digits and inner hyphens, then .yaml."
        document.add((), "has a name that cannot be a tenant's", remedy, value=name)
    elif name in RESERVED_NAMES:
        remedy = f"Rename the file; not to one of {', '.join(sorted(RESERVED_NAMES))}."
        document.add((), "has a name that Serai itself uses", remedy, value=name)


def _claim(document: Document, taken: dict[tuple[str, str], str], path: Path_, what: str, value: str) -> None:
    """Each name, id and domain belongs to the first file that has it."""
    if (what, value) not in taken:
        taken[what, value] = document.file
    elif taken[what, value] == document.file:
        document.add(path, "is listed twice", "Remove one of the two.", value=value)
    else:
        reason = f"is the {what} of {taken[what, value]} already"
        document.add(path, reason, f"Give one of the two another {what}.", value=value)
