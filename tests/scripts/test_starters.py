"""Given the starters of a clone, when they are run from anywhere, then they find their clone, or say what is missing.

Nothing is installed here: the environments and interpreters are stand-ins that tell how they were called.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TOOLS = ("cat", "cksum", "cut", "dirname", "mkdir", "printf", "pwd", "rm", "sh", "tail")
TELL = '#!/bin/sh\nprintf "%s|" "$PWD" "$0" "$@"\n'
PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python")


@dataclass(frozen=True)
class Clone:
    root: Path
    tools: Path
    """The only folder of the PATH: no Python is on it but what a test puts there."""

    def run(self, command: str, *arguments: str, cwd: Path, python: Path | None = None) -> "Started":
        environment = {"PATH": str(self.tools), **({"SERAI_PYTHON": str(python)} if python else {})}
        ran = subprocess.run(
            [command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        return Started(ran.returncode, ran.stdout, ran.stderr)

    def with_environment(self) -> "Clone":
        """As after a first start: an environment, and the stamp that it is of this lock and this place."""
        executable(self.root / ".venv" / "bin" / "serai", TELL)
        executable(self.root / ".venv" / "bin" / "python", TELL)
        script = 'cat "$1/uv.lock" "$1/pyproject.toml" "$1/scripts/bootstrap.sh" | cksum; printf "%s\\n" "$1"'
        stamp = subprocess.run(
            ["/bin/sh", "-c", script, "sh", str(self.root)], capture_output=True, text=True, check=True
        )
        (self.root / ".venv" / ".serai-stamp").write_text(stamp.stdout)
        return self


@dataclass(frozen=True)
class Started:
    code: int
    out: str
    err: str

    @property
    def told(self) -> list[str]:
        return self.out.removesuffix("|").split("|")


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(params=["clone", "a clone with spaces"])
def clone(tmp_path: Path, request: pytest.FixtureRequest) -> Clone:
    root, tools = tmp_path / request.param, tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    (root / "scripts").mkdir(parents=True)
    for name in ("bootstrap.sh", "dev", "serai", "test"):
        shutil.copy(SCRIPTS / name, root / "scripts" / name)
    for name in ("uv.lock", "pyproject.toml"):
        (root / name).write_text(f"{name}\n")
    return Clone(root, tools)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "else where"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_from_another_directory(clone: Clone, elsewhere: Path, *, absolute: bool):
    root = clone.with_environment().root
    scripts = str(root / "scripts") if absolute else f"../{root.name}/scripts"
    serai = str(clone.root / ".venv" / "bin" / "serai")
    started = clone.run(f"{scripts}/serai", "tenant", "show", "an acme", cwd=elsewhere)
    assert (started.code, started.err) == (0, "")
    assert started.told == [str(elsewhere), serai, "tenant", "show", "an acme"]
    started = clone.run(f"{scripts}/dev", "--port", "0", cwd=elsewhere)
    assert started.told == [str(elsewhere), serai, "dev", "--port", "0"]


def test_the_tests_run_in_the_clone(clone: Clone, elsewhere: Path):
    started = clone.with_environment().run(str(clone.root / "scripts" / "test"), "-k", "a b", cwd=elsewhere)
    assert started.code == 0
    assert started.told[0] == str(clone.root)
    assert started.told[2:] == ["-m", "pytest", "-k", "a b"]


def test_no_python_at_all(clone: Clone, elsewhere: Path):
    started = clone.run(str(clone.root / "scripts" / "dev"), cwd=elsewhere)
    assert (started.code, started.out) == (1, "")
    assert len(started.err.splitlines()) == 1
    assert "Python 3.11 or newer is needed" in started.err
    assert "SERAI_PYTHON=" in started.err


def test_a_python_that_is_too_old(clone: Clone, elsewhere: Path):
    for name in PYTHONS:
        executable(clone.tools / name, "#!/bin/sh\nexit 1\n")
    old = executable(clone.root / "python3.10", "#!/bin/sh\nexit 1\n")
    started = clone.run(str(clone.root / "scripts" / "dev"), cwd=elsewhere, python=old)
    assert (started.code, started.out) == (1, "")
    assert len(started.err.splitlines()) == 1
    assert "Python 3.11 or newer is needed" in started.err


def test_the_python_that_was_named_is_taken_and_its_venv_is_missing(clone: Clone, elsewhere: Path):
    for name in PYTHONS:
        executable(clone.tools / name, "#!/bin/sh\nexit 1\n")
    named = executable(clone.root / "pythons" / "python3", '#!/bin/sh\n[ "$1" = -c ]\n')
    started = clone.run(str(clone.root / "scripts" / "dev"), cwd=elsewhere, python=named)
    assert (started.code, started.out) == (1, "")
    assert f"{named} cannot make a virtual environment" in started.err
    assert "python3-venv" in started.err


def test_a_package_index_that_cannot_be_reached(clone: Clone, elsewhere: Path):
    makes = (
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\nmkdir -p "$3/bin" && printf \'#!/bin/sh\\nexit 1\\n\' >"$3/bin/python"\n'
    )
    named = executable(clone.root / "pythons" / "python3", makes)
    started = clone.run(str(clone.root / "scripts" / "dev"), cwd=elsewhere, python=named)
    assert (started.code, started.out) == (1, "")
    assert "is a Python package index reachable?" in started.err
    assert str(clone.root / ".venv" / "setup.log") in started.err


def test_a_clone_that_was_moved_is_set_up_anew(clone: Clone, elsewhere: Path):
    moved = Clone(clone.with_environment().root.rename(clone.root.parent / "moved"), clone.tools)
    started = moved.run(str(moved.root / "scripts" / "serai"), cwd=elsewhere)
    assert started.code == 1  # there is no Python to do it with here
    assert "Python 3.11 or newer is needed" in started.err
