"""The state directory: made whole, opened again, refused with a sentence."""

import json
import stat
import threading
from pathlib import Path

import pytest

from infra.twin.state import FORMAT, State, StateError, open_state


def test_a_new_one_is_made_and_opened_again(tmp_path: Path) -> None:
    state = open_state(tmp_path / "deep" / "state")
    assert json.loads((state.path / "format").read_text()) == {"format": FORMAT}
    assert stat.S_IMODE((state.path / "secrets.json").stat().st_mode) == 0o600
    assert len(state.secrets.account_id) == 32
    assert 40 <= len(state.secrets.api_token) <= 80
    assert open_state(state.path) == state
    assert state.secrets.api_token not in repr(state)


def test_two_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    opened: list[State] = []
    threads = [threading.Thread(target=lambda: opened.append(open_state(tmp_path / "s"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    assert len({state.secrets for state in opened}) == 1
    assert [path.name for path in (tmp_path / "s").glob(".*")] == []


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    (state.path / "format").write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(StateError, match=r"made by a newer Serai.*Update Serai"):
        open_state(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("format", "", "format is damaged"),
        ("format", '{"format": "one"}', "'one', not a number"),
        ("secrets.json", '{"account_id"', "secrets.json is damaged"),
        ("secrets.json", "[]", "secrets.json is damaged"),
        ("secrets.json", "{}", "secrets.json lacks account_id, api_token"),
    ],
)
def test_damage_is_named_with_a_remedy(tmp_path: Path, name: str, content: str, said: str) -> None:
    open_state(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(StateError, match=rf"{said}.*Restore"):
        open_state(tmp_path)


def test_an_account_id_that_is_none(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    file = state.path / "secrets.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"account_id": "acme"}))
    with pytest.raises(StateError, match="'acme', not 32 hex digits"):
        open_state(tmp_path)


def test_state_without_its_format_is_not_taken_for_new(tmp_path: Path) -> None:
    open_state(tmp_path)
    (tmp_path / "format").unlink()
    with pytest.raises(StateError, match=r"format is missing.*secrets.json"):
        open_state(tmp_path)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match=r"cannot be used.*--state DIR"):
        open_state(tmp_path / "state")


@pytest.mark.parametrize("stack", ["../base", "", "a/b", ".hidden"])
def test_a_stack_name_cannot_leave_the_directory(tmp_path: Path, stack: str) -> None:
    with pytest.raises(StateError, match="no stack's name"):
        open_state(tmp_path).stack_path(stack)


def test_paths(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    uuid = "00000000-0000-4000-8000-000000000000"
    assert state.stack_path("cell-1") == tmp_path / "stacks" / "cell-1.db"
    assert state.d1_path(uuid) == tmp_path / "d1" / f"{uuid}.sqlite"
    with pytest.raises(StateError, match="not a UUID"):
        state.d1_path("../../etc/passwd")
