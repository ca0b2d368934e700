"""The state directory of the twin: where everything lies, its format version and its secrets."""

import json
import os
import re
import secrets as randomness
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import cast

FORMAT = 1

_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MADE_BY_THE_TWIN = ("secrets.json", "account.db", "stacks", "d1", "versions")


class StateError(Exception):
    """The state directory cannot be used. The message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made on first use, kept in `secrets.json`, readable by its owner alone."""

    account_id: str
    api_token: str = field(repr=False)
    platform_secret: str = field(repr=False)
    key_pepper: str = field(repr=False)
    cell_key: str = field(repr=False)
    operator_token: str = field(repr=False)
    journal_key: str = field(repr=False)
    """Encrypts secret values in the engine's journals: a Fernet key."""


@dataclass(frozen=True, slots=True)
class State:
    path: Path
    secrets: Secrets

    @property
    def account_path(self) -> Path:
        return self.path / "account.db"

    @property
    def stacks_path(self) -> Path:
        return self.path / "stacks"

    @property
    def host_path(self) -> Path:
        return self.path / "host.json"

    @property
    def logs_path(self) -> Path:
        return self.path / "logs"

    @property
    def versions_path(self) -> Path:
        return self.path / "versions"

    def stack_path(self, stack: str) -> Path:
        return self.stacks_path / f"{_stack_name(stack)}.db"

    def lock_path(self, stack: str) -> Path:
        return self.stacks_path / f"{_stack_name(stack)}.lock"

    def d1_path(self, uuid: str) -> Path:
        return self.path / "d1" / f"{_uuid(uuid)}.sqlite"

    def version_path(self, version_id: str) -> Path:
        return self.versions_path / _uuid(version_id)

    def stacks(self) -> list[str]:
        """The stacks that have a journal."""
        return sorted(path.stem for path in self.stacks_path.glob("*.db"))


def open_state(path: Path) -> State:
    """Open a state directory, or make one. A newer format is refused, and so is what is not one."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_format(path)
        secrets = _read_secrets(path / "secrets.json")
        for folder in ("stacks", "d1", "versions", "logs"):
            (path / folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"The state directory {path} cannot be used: {error.strerror or error} ({error.filename}). "
            "Repair that, or name another directory with --state DIR."
        ) from None
    return State(path, secrets)


def _check_format(path: Path) -> None:
    file = path / "format"
    if not file.exists():
        if left := [name for name in _MADE_BY_THE_TWIN if (path / name).exists()]:
            raise StateError(
                f"{file} is missing, though {path} holds {', '.join(left)}. Restore that file with the content "
                f'{{"format": {FORMAT}}}, or move the directory away and start with a new one.'
            )
        write_once(file, json.dumps({"format": FORMAT}) + "\n", mode=0o644)
    version = _json_object(file, f'Restore it with the content {{"format": {FORMAT}}}.').get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StateError(f'{file} holds format {version!r}, not a number. Restore it with {{"format": {FORMAT}}}.')
    if version > FORMAT:
        raise StateError(
            f"The state directory {path} has format {version}, made by a newer Serai; this one knows up to {FORMAT}. "
            "Update Serai, or name another directory with --state DIR."
        )


def _read_secrets(file: Path) -> Secrets:
    if not file.exists():
        write_once(file, json.dumps(asdict(_new_secrets()), indent=2) + "\n", mode=0o600)
    remedy = (
        "Restore it from a backup. Without it the keys of the tenants and the encrypted parts of the state are lost: "
        "then move the state directory away and start with a new one."
    )
    values = _json_object(file, remedy)
    missing = [item.name for item in fields(Secrets) if not isinstance(values.get(item.name), str)]
    if missing:
        raise StateError(f"{file} lacks {', '.join(missing)}. {remedy}")
    if not re.fullmatch(r"[0-9a-f]{32}", str(values["account_id"])):
        raise StateError(f"{file}: account_id is {values['account_id']!r}, not 32 hex digits. {remedy}")
    return Secrets(**{item.name: cast("str", values[item.name]) for item in fields(Secrets)})


def _new_secrets() -> Secrets:
    return Secrets(
        account_id=randomness.token_hex(16),
        api_token=randomness.token_urlsafe(36),  # 48 characters; the real provider wants 40 to 80 of these
        platform_secret=randomness.token_hex(32),
        key_pepper=randomness.token_hex(32),
        cell_key=randomness.token_hex(32),
        operator_token=randomness.token_urlsafe(32),
        # What cryptography's Fernet takes: 32 bytes in URL-safe base64, padded.
        journal_key=randomness.token_urlsafe(32) + "=",
    )


def _json_object(file: Path, remedy: str) -> Mapping[str, object]:
    try:
        value: object = json.loads(file.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StateError(f"{file} is damaged: it is not a JSON object. {remedy}")
    return cast("dict[str, object]", value)


def write_once(file: Path, text: str, *, mode: int) -> None:
    """Write a file that is either whole or absent, and never replace one that another process wrote first."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), mode)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        try:
            file.hardlink_to(temporary)
        except FileExistsError:
            return
    finally:
        temporary.unlink()


def _stack_name(stack: str) -> str:
    if not _STACK.fullmatch(stack):
        raise StateError(f"{stack!r} is no stack's name: letters, digits, '-', '_' and '.', 100 characters at most.")
    return stack


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise StateError(f"{value!r} is not a UUID.")
    return value
