"""The same sources give the same modules on any machine, and the zip alone is enough to start from."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.bundle import Module, worker_modules, write_modules, zip_sources
from infra.config import ROOT


def copy_sources(target: Path, *, mtime: int, mode: int) -> Path:
    for package in ("handlers", "shared"):
        shutil.copytree(ROOT / package, target / package)
    for path in target.rglob("*.py"):
        os.utime(path, (mtime, mtime))
        path.chmod(mode)
    return target


def test_two_machines_build_the_same_bytes(tmp_path: Path) -> None:
    ours = copy_sources(tmp_path / "a", mtime=1_000_000_000, mode=0o600)
    theirs = copy_sources(tmp_path / "b", mtime=1_900_000_000, mode=0o755)
    (theirs / "handlers" / "__pycache__").mkdir(exist_ok=True)
    (theirs / "handlers" / "__pycache__" / "stale.py").write_text("x = 1")
    (theirs / "handlers" / ".editor.swp").write_text("junk")
    built = [worker_modules("control", "directory.json", b"{}", root=root) for root in (ours, theirs)]
    assert built[0] == built[1]
    assert [module.name for module in built[0]] == ["control.py", "serai.zip", "directory.json"]


def test_a_changed_source_changes_the_zip(tmp_path: Path) -> None:
    root = copy_sources(tmp_path / "a", mtime=1_000_000_000, mode=0o644)
    before = zip_sources(root)
    (root / "handlers" / "errors.py").write_text("# changed\n")
    assert zip_sources(root) != before


def test_the_zip_is_sorted_stored_and_dated_alike() -> None:
    entries = zipfile.ZipFile(io.BytesIO(zip_sources())).infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.compress_type, entry.date_time, entry.external_attr >> 16) for entry in entries} == {
        (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0o100644)
    }
    names = {entry.filename for entry in entries}
    assert "shared/spec/compiled.py" in names
    assert "shared/edge/local/database.py" in names
    assert not [name for name in names if name.startswith(("infra", "tests", "scripts")) or "__pycache__" in name]


START = """
import sys, importlib.abc
sys.path[:0] = [sys.argv[1]]

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("handlers", "shared"):
            raise ImportError(f"{name} is no part of a version")

sys.meta_path.insert(0, Refuse())
import importlib
for module in sys.argv[2:]:
    found = importlib.import_module(module)
    assert sys.argv[1] in found.__file__, found.__file__
"""


@pytest.mark.parametrize("module", ["handlers.app", "handlers.entry.cell", "handlers.entry.control"])
def test_handlers_start_from_the_zip_alone(tmp_path: Path, module: str) -> None:
    archive = tmp_path / "serai.zip"
    archive.write_bytes(zip_sources())
    script = tmp_path / "start.py"
    script.write_text(START)
    # -S and -P: neither the venv nor the working directory can lend a module.
    command = [sys.executable, "-I", "-S", "-P", str(script), str(archive), module]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr


def test_data_that_handlers_read_is_in_the_zip(tmp_path: Path) -> None:
    archive = zipfile.ZipFile(io.BytesIO(zip_sources()))
    archive.extractall(tmp_path)
    ours = {path.relative_to(ROOT) for path in (ROOT / "shared" / "prices" / "data").rglob("*.toml")}
    ours |= {path.relative_to(ROOT) for path in (ROOT / "shared" / "migrations").rglob("*.sql")}
    assert len(ours) >= 2
    assert [str(path) for path in ours if (tmp_path / path).read_bytes() != (ROOT / path).read_bytes()] == []


def test_module_files_are_written_once_and_stale_ones_go(tmp_path: Path) -> None:
    modules = [Module("cell.py", "text/x-python", b"a"), Module("tenants.json", "application/octet-stream", b"{}")]
    paths = [path for _, path in write_modules("cell-1", modules, bundles=tmp_path)]
    assert [(ROOT / "infra" / path).resolve() for path in paths] == [
        (tmp_path / "cell-1" / name).resolve() for name in ("cell.py", "tenants.json")
    ]
    first = (tmp_path / "cell-1" / "cell.py").stat()
    write_modules("cell-1", modules[:1], bundles=tmp_path)
    assert (tmp_path / "cell-1" / "cell.py").stat().st_ino == first.st_ino
    assert not (tmp_path / "cell-1" / "tenants.json").exists()


def test_paths_in_the_program_do_not_depend_on_the_machine() -> None:
    [(_, path)] = write_modules("test-paths", [Module("cell.py", "text/x-python", b"a")])
    assert path == "../.serai/bundle/test-paths/cell.py"
    shutil.rmtree(ROOT / ".serai" / "bundle" / "test-paths")
