"""Given an uploaded version, its folder appears whole, or not at all."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from infra.twin.account.account import Module, Version
from infra.twin.edge.unpack import KEPT, UnpackError, remove_unused, unpack


def packed(*members: zipfile.ZipInfo) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for member in members:
            archive.writestr(member, "x = 1\n")
    return content.getvalue()


def version(*modules: tuple[str, bytes], identifier: str = "v1") -> Version:
    given = [Module("cell.py", "text/x-python", b"pass\n"), *(Module(name, "", content) for name, content in modules)]
    return Version(identifier, "serai-cell-1", "cell.py", given, [])


def test_modules_become_files_and_zips_their_members(tmp_path: Path) -> None:
    serai = packed(zipfile.ZipInfo("handlers/app.py"), zipfile.ZipInfo("shared/"), zipfile.ZipInfo("shared/keys.py"))
    folder = unpack(version(("serai.zip", serai), ("tenants.json", b"{}"), ("data/prices.json", b"[]")), tmp_path)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["cell.py", "data/prices.json", "handlers/app.py", "shared/keys.py", "tenants.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("../evil.py", b"", "leads out of"),
        ("/etc/evil.py", b"", "leads out of"),
        ("a/../../evil.py", b"", "leads out of"),
        ("..\\evil.py", b"", "leads out of"),
        ("", b"", "leads out of"),
        ("serai.zip", packed(zipfile.ZipInfo("../../evil.py")), "leads out of"),
        ("serai.zip", packed(zipfile.ZipInfo("cell.py")), "twice"),
        ("serai.zip", b"this is not a zip", "not a readable zip"),
        ("cell.py", b"", "twice"),
    ],
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    versions = tmp_path / "a" / "versions"
    with pytest.raises(UnpackError, match=message):
        unpack(version((name, content)), versions)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list(versions.iterdir()) == []


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("handlers")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(UnpackError, match="symbolic link"):
        unpack(version(("serai.zip", packed(link))), tmp_path)


def test_a_version_that_cannot_name_a_folder_or_has_no_main_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="cannot name a folder"):
        unpack(version(identifier="../v1"), tmp_path)
    with pytest.raises(UnpackError, match=r"main module 'other\.py'"):
        unpack(Version("v1", "serai-cell-1", "other.py", version().modules, []), tmp_path)


def test_unused_folders_go_but_for_the_newest(tmp_path: Path) -> None:
    for number in range(8):
        folder = unpack(version(identifier=f"v{number}"), tmp_path)
        os.utime(folder, (number, number))
    (tmp_path / ".unpacking-v9-1").mkdir()
    remove_unused(tmp_path, used={"v0", "v7"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v0", *(f"v{7 - KEPT + n}" for n in range(KEPT)), "v7"]
