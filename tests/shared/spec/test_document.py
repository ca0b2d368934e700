"""Whatever bytes lie under a tenant's name, loading answers with findings: no traceback, no hang, no explosion."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.spec import document as document_module
from shared.spec.compile import admin_key_hashes, compile_tenants
from shared.spec.compiled import read_tenants
from shared.spec.document import MAX_BYTES, MAX_FINDINGS, read_document
from shared.spec.load import Loaded
from shared.spec.plans import load_plans

Load = Callable[..., Loaded]

SOUND = "plan: starter\ncontact: ops@initech.example\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

CONTENTS: dict[str, tuple[str | bytes, int, int, str]] = {
    "empty": ("", 1, 1, "is empty"),
    "comments only": ("# nothing\n", 1, 1, "is empty"),
    "null": ("~\n", 1, 1, "is empty"),
    "an empty document": ("---\n", 1, 1, "is empty"),
    "a list": ("- plan\n", 1, 1, "must be a mapping"),
    "a word": ("starter\n", 1, 1, "must be a mapping"),
    "anchor bomb": (BOMB, 1, 4, "uses a YAML anchor or alias"),
    "alias without an anchor": ("plan: *x\n", 1, 7, "uses a YAML anchor or alias"),
    "anchor on a name": ("&x plan: starter\n", 1, 1, "uses a YAML anchor or alias"),
    "tag": ("plan: !!python/object:os.system x\n", 1, 7, "uses a YAML tag"),
    "tag on a name": ("!!str plan: starter\n", 1, 1, "uses a YAML tag"),
    "two documents": (SOUND + "---\nplan: pro\n", 3, 1, "more than one document"),
    "tab": ("plan: starter\nlimits:\n\tspend_usd_per_month: 5\n", 3, 1, "indented with a tab"),
    "tab after spaces": ("limits:\n  \tspend_usd_per_month: 5\n", 2, 3, "indented with a tab"),
    "BOM": (b"\xef\xbb\xbf" + SOUND.encode(), 1, 1, "byte order mark"),
    "UTF-16": (SOUND.encode("utf-16"), 1, 1, "byte order mark"),
    "Latin-1": ("plan: starter\ndisplay_name: Zoë\n".encode("latin-1"), 2, 17, "is not UTF-8"),
    "NUL": ("plan: starter\0\n", 1, 14, "control character"),
    "escape": ("display_name: \x1b[31mred\n", 1, 15, "control character"),
    "unclosed bracket": ("plan: [starter\ncontact: a\n", 2, 8, "is not valid YAML"),
    "unclosed quote": ('plan: "starter\n', 2, 1, "is not valid YAML"),
    "bad indentation": ("plan: starter\n  contact: a\n", 2, 10, "is not valid YAML"),
    "list as a name": ("? [a]\n: 1\n", 1, 3, "not plain text"),
    "deep nesting": ("[" * 100_000, 1, 14, "nested too deeply"),
    "deep mappings": ("".join(f"{' ' * depth}a:\n" for depth in range(300)), 14, 14, "nested too deeply"),
    "merge key": ("<<: {plan: pro}\n" + SOUND, 1, 1, "is not a field"),
    "too many digits": (SOUND + f"limits: {{concurrent_streams: {'9' * 5000}}}", 3, 10, "must be a whole number"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_content_that_is_no_spec_is_found_where_it_is(load: Load, case: str) -> None:
    content, line, column, reason = CONTENTS[case]
    started = time.monotonic()
    loaded = load({"initech": content})
    assert loaded.specs == ()
    assert len(loaded.findings) == 1, [finding.render() for finding in loaded.findings]
    finding = loaded.findings[0]
    assert reason in finding.reason
    assert (finding.line, finding.column) == (line, column), finding.render()
    assert time.monotonic() - started < 5


def test_a_file_of_50_mb_is_not_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    with (tmp_path / "tenants" / "initech.yaml").open("wb") as file:
        file.truncate(50_000_000)
    (finding,) = load({}).findings
    assert "larger than 256 KB" in finding.reason


def test_a_file_just_small_enough_is_read(load: Load) -> None:
    assert load({"initech": SOUND + "#" * (MAX_BYTES - len(SOUND))}).findings == ()


def _link_out(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _link_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _unreadable(path: Path) -> None:
    path.write_text(SOUND)
    path.chmod(0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_link_out, "symbolic link that leaves its folder"),
        (_link_nowhere, "cannot be read"),
        (_link_to_itself, "cannot be read"),
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),
        pytest.param(
            _unreadable, "cannot be read", marks=pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
        ),
    ],
)
def test_what_is_no_readable_file_is_found(
    load: Load, tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    (tmp_path / "tenants").mkdir()
    make(tmp_path / "tenants" / "initech.yaml")
    (finding,) = load({}).findings
    assert reason in finding.reason


@pytest.mark.parametrize("name", ["initech.yml", "initech.YAML", "initech.Yml"])
def test_another_ending_is_not_overlooked(load: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / name).write_text(SOUND)
    (finding,) = load({}).findings
    assert "Rename it" in finding.remedy


def test_a_folder_that_is_not_there_is_found(load_folders: Load, tmp_path: Path) -> None:
    loaded = load_folders([tmp_path / "gone"])
    assert "is not a folder" in loaded.findings[0].reason


def test_a_file_with_a_thousand_faults_shows_the_first(load: Load) -> None:
    loaded = load({"initech": SOUND + "".join(f"x{number}: 1\n" for number in range(5000))})
    assert len(loaded.findings) == MAX_FINDINGS


def test_both_parsers_of_pyyaml_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml is used where PyYAML was built with it; elsewhere the parser in Python must agree."""
    path = tmp_path / "initech.yaml"
    for case, (content, *_) in CONTENTS.items():
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with_libyaml = read_document(path)
        monkeypatch.setattr(document_module, "_Loader", yaml.SafeLoader)
        in_python = read_document(path)
        monkeypatch.undo()
        assert with_libyaml.readable == in_python.readable, case
        assert with_libyaml.data == in_python.data, case
        assert len(with_libyaml.findings) == len(in_python.findings), case


def check(load_folders: Load, content: bytes, folder: Path) -> None:
    (folder / "initech.yaml").write_bytes(content)
    loaded = load_folders([folder])
    assert bool(loaded.specs) != bool(loaded.findings)
    for loaded_tenant in loaded.specs:
        keys = {loaded_tenant.name: admin_key_hashes(loaded_tenant, "platform", "pepper")}
        read_tenants(compile_tenants("cell-1", "api.serai.example", [loaded_tenant], load_plans(), [], {}, {}, keys))
    lines = content.count(b"\n") + content.count(b"\r") + 2
    for finding in loaded.findings:
        assert finding.reason
        assert finding.remedy
        assert "\n" not in finding.render()
        assert len(finding.render()) < 2000
        finding.render().encode()
        assert finding.column >= 1
        assert 1 <= finding.line <= lines + sum(content.count(mark.encode()) for mark in "\x85\u2028\u2029")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

FULL = """\
plan: pro
display_name: Initech
contact: ops@initech.example
id: k3v9qd
cell: cell-2
trial_ends: 2026-12-24
domains: [ai.initech.example]
keys: {epoch: 2, rotated_at: 2026-11-24T10:00:00Z, overlap_hours: 48}
models:
  default: workers_ai/gpt-oss-20b
  allow: [workers_ai/*, anthropic/claude-haiku-5-5]
  aliases: {fast: workers_ai/llama-3.2-3b}
limits: {spend_usd_per_month: 50, per_end_user: {requests_per_minute: 20}}
retention: {content: none, metadata_days: 30}
"""
PIECES = st.sampled_from(
    (
        *(
            "~",
            "[]",
            "{}",
            "1",
            "-1",
            "1e9",
            "'",
            '"',
            "[",
            "{",
            "}",
            "&a ",
            "*a",
            "!!int ",
            "!",
            "|",
            ">",
            "---",
            "...",
        ),
        *(
            "\t",
            "\r",
            "\u2028",
            "\x85",
            "\ud7ff",
            "\ufeff",
            "? ",
            ": ",
            "- ",
            "<<: ",
            "%YAML 9.9\n",
            "#",
            "\\",
            "0x",
            "\n",
        ),
        *(
            "a: b\n",
            "true",
            "none",
            "enterprise",
            "dedicated",
            "[[[[",
            "9" * 400,
            "9999-12-31T23:59:59-14:00",
            "0000-00-00",
        ),
    )
)


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(load_folders: Load, tmp_path: Path, content: bytes) -> None:
    check(load_folders, content, tmp_path)


@FUZZ
@given(st.data())
def test_any_mutation_of_a_spec_is_answered(load_folders: Load, tmp_path: Path, data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + data.draw(PIECES | st.text(max_size=8).map(_encodable)) + text[end:]
    check(load_folders, text.encode(), tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20).map(_encodable),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5).map(_encodable), children, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = [line.split(":")[0] for line in FULL.splitlines() if not line.startswith(" ")]
INNER = ["epoch", "initial", "default", "allow", "aliases", "fallback", "per_end_user", "content", "metadata_days"]


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "owners", "providers", "assistant", "agreement"]),
        VALUES | st.dictionaries(st.sampled_from(INNER), VALUES, max_size=4),
        max_size=8,
    )
)
def test_any_values_in_the_fields_are_answered(load_folders: Load, tmp_path: Path, fields: dict[str, object]) -> None:
    check(load_folders, yaml.safe_dump(fields, allow_unicode=True).encode(), tmp_path)
