"""handlers + shared -> the modules of a Worker version: an entry module, one zip of our own code, one document.

One zip and not a module per file: the time of the real provider grows faster than the number of modules
(docs/adr/0002-one-zip-per-version.md). The same sources give the same bytes on any machine, so that a plan shows a
new version only when code has changed.
"""

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.config import ROOT

PACKAGES = ("handlers", "shared")
SUFFIXES = frozenset({".py", ".sql", ".toml", ".json", ".yaml"})
LEFT_OUT = ("shared/spec/",)
"""What only the program needs: it validates specs with pydantic and YAML, which the edge does not carry."""
KEPT = ("shared/spec/__init__.py", "shared/spec/compiled.py")
BUNDLES = ROOT / ".serai" / "bundle"
"""Module files lie here wherever other state lies, so that paths in Pulumi's state never change."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest date a zip can hold; ours carries no other."""


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    content_type: str
    content: bytes


def worker_modules(entry: str, document: str, content: bytes, *, root: Path = ROOT) -> list[Module]:
    """The modules of the Worker `entry` (cell or control); `document` is the JSON module that configures it."""
    return [
        Module(f"{entry}.py", "text/x-python", (root / "handlers" / "entry" / f"{entry}.py").read_bytes()),
        Module("serai.zip", "application/octet-stream", zip_sources(root)),
        Module(document, "application/octet-stream", content),
    ]


def zip_sources(root: Path = ROOT) -> bytes:
    """The project's own packages as one archive that `zipimport` reads."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(_sources(root)):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (root / name).read_bytes())
    return buffer.getvalue()


def write_modules(name: str, modules: list[Module], *, bundles: Path = BUNDLES) -> list[tuple[Module, str]]:
    """Write a Worker's modules to its folder; with each, its path as the program names it, relative to `infra/`."""
    folder = bundles / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {module.name for module in modules}
    for stale in folder.iterdir():
        if stale.name not in wanted:
            stale.unlink()
    for module in modules:
        _write(folder / module.name, module.content)
    return [(module, Path(os.path.relpath(folder / module.name, ROOT / "infra")).as_posix()) for module in modules]


def _sources(root: Path) -> Iterator[str]:
    for package in PACKAGES:
        for path in (root / package).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts and _belongs(name) and path.is_file():
                yield name


def _belongs(name: str) -> bool:
    return name in KEPT or not name.startswith(LEFT_OUT)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a program that is killed here must not leave half a module behind."""
    if path.is_file() and path.read_bytes() == content:
        return
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(content)
    scratch.replace(path)
