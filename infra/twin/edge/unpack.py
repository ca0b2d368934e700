"""An uploaded version becomes a folder: modules as files, zip modules unpacked beside them."""

import io
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from infra.twin.account.account import Module, Version

KEPT = 3
"""Folders of versions that nobody runs any more, kept for a look."""
MAX_BYTES = 200 * 1024 * 1024
UNFINISHED = ".unpacking-"
SAFE_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class UnpackError(Exception):
    """The version cannot be unpacked as it was uploaded."""


def unpack(version: Version, versions: Path) -> Path:
    """The folder of `version`, made if it is not there yet. It appears whole or not at all."""
    if not SAFE_ID.fullmatch(version.id):
        raise UnpackError(f"version id {version.id!r} cannot name a folder")
    folder = versions / version.id
    if folder.is_dir():
        return folder
    versions.mkdir(parents=True, exist_ok=True)
    making = versions / f"{UNFINISHED}{version.id}-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        _write_all(version, making)
        try:
            making.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def remove_unused(versions: Path, used: set[str]) -> None:
    """Remove folders of versions that are neither deployed nor running, all but the newest few."""
    folders = [folder for folder in versions.iterdir() if folder.is_dir()] if versions.is_dir() else []
    for folder in folders:
        if folder.name.startswith(UNFINISHED):
            shutil.rmtree(folder, ignore_errors=True)
    unused = [folder for folder in folders if folder.name not in used and not folder.name.startswith(UNFINISHED)]
    unused.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in unused[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _write_all(version: Version, folder: Path) -> None:
    size = 0
    names = {module.name for module in version.modules}
    if version.main_module not in names:
        raise UnpackError(f"version {version.id}: its main module {version.main_module!r} is not among its modules")
    for module in version.modules:
        for name, content in _files(module):
            size += len(content)
            if size > MAX_BYTES:
                raise UnpackError(f"version {version.id}: more than {MAX_BYTES // 2**20} MB unpacked")
            path = folder / _checked(name, module.name)
            if path.exists():
                raise UnpackError(f"version {version.id}: {name!r} is in it twice")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _files(module: Module) -> Iterator[tuple[str, bytes]]:
    if not module.name.endswith(".zip"):
        yield module.name, module.content
        return
    try:
        with zipfile.ZipFile(io.BytesIO(module.content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise UnpackError(f"{module.name}: more than {MAX_BYTES // 2**20} MB unpacked")
            for member in members:
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise UnpackError(f"{module.name}: {member.filename!r} is a symbolic link")
                yield member.filename, archive.read(member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UnpackError(f"{module.name}: not a readable zip file: {error}") from error


def _checked(name: str, module: str) -> PurePosixPath:
    """`name` as a path that stays inside the folder."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in path.parts[0]:
        raise UnpackError(f"{module}: the name {name!r} leads out of the version's folder")
    return path
