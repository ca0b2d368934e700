"""Given tenant files, when they are loaded, then the sound ones are tenants and the rest is explained."""
# ruff: noqa: E501 - a table of faults is read by its columns

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.spec.findings import Finding
from shared.spec.load import Loaded, made_up_id

Load = Callable[..., Loaded]

MINIMAL = "plan: starter\ncontact: ops@initech.example\n"
FULL = """\
plan: pro
display_name: Initech
contact: ops@initech.example
id: k3v9qd
cell: cell-2
state: suspended
domains: [ai.initech.example, initech.example]
keys: {epoch: 2, rotated_at: 2026-11-24T10:00:00+01:00, overlap_hours: 48}
models:
  default: workers_ai/gpt-oss-20b
  allow: [workers_ai/*, anthropic/claude-haiku-5-5]
  aliases: {fast: workers_ai/llama-3.2-3b, clever: anthropic/claude-haiku-5-5}
limits:
  spend_usd_per_month: 1500.5
  requests_per_minute: 60
  tokens_per_minute: 100000
  concurrent_streams: 10
  per_end_user: {spend_usd_per_month: 2, requests_per_minute: 20}
retention: {content: none, metadata_days: 30}
"""


def only(loaded: Loaded) -> Finding:
    assert len(loaded.findings) == 1, [finding.render() for finding in loaded.findings]
    assert loaded.specs == ()
    return loaded.findings[0]


def rendered(loaded: Loaded) -> str:
    return "\n".join(finding.render() for finding in loaded.findings)


def test_two_lines_are_a_tenant_with_the_plans_limits(load: Load) -> None:
    loaded = load({"initech": MINIMAL})
    assert loaded.findings == ()
    (tenant,) = loaded.specs
    assert (tenant.name, tenant.id, tenant.cell) == ("initech", made_up_id("initech"), "cell-1")
    assert tenant.spec.models.default == "workers_ai/gpt-oss-20b"
    assert tenant.spec.models.allowed == ("workers_ai/*",)
    assert tenant.spec.state == "active"


def test_every_supported_field_is_read(load: Load) -> None:
    loaded = load({"initech": FULL}, placement_required=True)
    assert rendered(loaded) == ""
    spec = loaded.specs[0].spec
    assert (loaded.specs[0].id, loaded.specs[0].cell, spec.state) == ("k3v9qd", "cell-2", "suspended")
    assert loaded.specs[0].domains == ("ai.initech.example", "initech.example")
    assert spec.keys.rotated_at is not None
    assert spec.keys.rotated_at.isoformat() == "2026-11-24T09:00:00+00:00"
    assert spec.limits.spend_usd_per_month == 1500.5
    assert spec.limits.per_end_user is not None
    assert spec.limits.per_end_user.requests_per_minute == 20


def test_the_made_up_id_is_stable_and_sound(load: Load) -> None:
    assert made_up_id("acme") == "xuibrx"
    assert len({made_up_id(f"tenant-{number}") for number in range(1000)}) == 1000


def test_the_shipped_examples_are_valid(load_folders: Load) -> None:
    folder = Path(__file__).parents[3] / "tenants" / "examples"
    loaded = load_folders([folder])
    assert rendered(loaded) == ""
    assert [tenant.name for tenant in loaded.specs] == ["acme", "globex"]


def test_folders_inside_a_folder_are_not_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tenants" / "examples").mkdir(parents=True)
    (tmp_path / "tenants" / "examples" / "acme.yaml").write_text("nonsense")
    (tmp_path / "tenants" / "README.md").write_text("# Tenants")
    (tmp_path / "tenants" / ".#initech.yaml").symlink_to("editor@host.1234")
    assert [tenant.name for tenant in load({"initech": MINIMAL}).specs] == ["initech"]


def test_tenants_come_by_name_whatever_folder_they_are_in(load_folders: Load, tmp_path: Path) -> None:
    for folder, name in (("one", "zeta"), ("two", "alpha")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.yaml").write_text(MINIMAL)
    folders = [tmp_path / "one", tmp_path / "two"]
    loaded = load_folders(folders)
    assert [tenant.name for tenant in loaded.specs] == ["alpha", "zeta"]


# Each: what replaces a line of MINIMAL or follows it; where it is found; a part of the reason; a part of the remedy.
FAULTS: dict[str, tuple[str, str, int, int, str, str]] = {
    "unknown field": ("modells: {}", "modells", 3, 1, "is not a field", "Did you mean models?"),
    "unknown inner field": ("limits:\n  requests_per_minut: 5", "limits.requests_per_minut", 4, 3, "is not a field", "Did you mean requests_per_minute?"),
    "unknown deep field": ("limits: {per_end_user: {spend: 5}}", "limits.per_end_user.spend", 3, 25, "is not a field", "spend_usd_per_month"),
    "text for a number": ('limits: {concurrent_streams: "5"}', "limits.concurrent_streams", 3, 10, "must be a whole number", "digits only"),
    "fraction for a count": ("limits: {concurrent_streams: 1.5}", "limits.concurrent_streams", 3, 10, "must be a whole number", ""),
    "list for a mapping": ("limits: [1]", "limits", 3, 1, "must be a mapping", ""),
    "text for a list": ("domains: ai.initech.example", "domains", 3, 1, "must be a list", "Write a list."),
    "number for text": ("display_name: 42", "display_name", 3, 1, "must be text", 'in quotes: "42"'),
    "number for an id": ("id: 1234567", "id", 3, 1, "must be text", 'in quotes: "1234567"'),
    "no value": ("limits: {spend_usd_per_month: }", "limits.spend_usd_per_month", 3, 10, "has no value", "remove the line"),
    "negative": ("limits: {spend_usd_per_month: -1}", "limits.spend_usd_per_month", 3, 10, "at least 0", ""),
    "zero requests": ("limits: {requests_per_minute: 0}", "limits.requests_per_minute", 3, 10, "at least 1", ""),
    "infinite": ("limits: {spend_usd_per_month: 1e999}", "limits.spend_usd_per_month", 3, 10, "finite", ""),
    "state": ("state: actve", "state", 3, 1, "none of its values", "Did you mean active?"),
    "display name over two lines": ('display_name: "a\\nb"', "display_name", 3, 1, "printable characters", ""),
    "id of another form": ("id: K3V9QD", "id", 3, 1, "is not an id", "lower-case"),
    "cell of another form": ("cell: cell-0", "cell", 3, 1, "is not a cell", "cell-1"),
    "domain in upper case": ("domains: [AI.initech.example]", "domains[0]", 3, 11, "is not a domain name", "lower-case"),
    "domain with a wildcard": ('domains: ["*.initech.example"]', "domains[0]", 3, 11, "is not a domain name", ""),
    "domain elsewhere": ("domains: [ai.acme.example]", "domains[0]", 3, 11, "not supported yet", "serai.example, initech.example"),
    "domain that only ends like a zone": ("domains: [notserai.example]", "domains[0]", 3, 11, "not supported yet", ""),
    "domain of Serai": ("domains: [api.serai.example]", "domains[0]", 3, 11, "Serai itself uses", ""),
    "more domains than the plan": ("domains: [a.serai.example, b.serai.example]", "domains", 3, 1, "more than the plan allows: 2", "Plan starter has 1"),
    "model without a price": ("models: {default: workers_ai/gpt-oss-20}", "models.default", 3, 10, "not in the price book", "Did you mean workers_ai/gpt-oss-20b?"),
    "provider nobody configured": ("models: {default: anthropc/x, allow: [workers_ai/*]}", "models.default", 3, 10, "not configured: anthropc", "Did you mean anthropic?"),
    "allowed model without a price": ("models:\n  allow:\n  - workers_ai/*\n  - openai/gpt-4", "models.allow[1]", 6, 5, "not in the price book", "openai/gpt-5.4"),
    "all of a provider without prices": ("models: {allow: [workers_ai/*, groq/*]}", "models.allow[1]", 3, 32, "matches no model", ""),
    "all of everything": ('models: {allow: [workers_ai/*, "*"]}', "models.allow[1]", 3, 32, "is not a model pattern", "provider/*"),
    "nothing allowed": ("models: {allow: []}", "models.allow", 3, 10, "at least 1", ""),
    "default not allowed": ("models: {allow: [openai/*]}", "models.default", 3, 1, "not among models.allow", "Add workers_ai/gpt-oss-20b"),
    "alias not allowed": ("models: {aliases: {fast: openai/gpt-5.4}}", "models.aliases.fast", 3, 20, "not among models.allow", "Add openai/gpt-5.4"),
    "alias named default": ("models: {aliases: {default: workers_ai/gpt-oss-20b}}", "models.aliases.default", 3, 20, "a meaning", ""),
    "alias named auto": ("models: {aliases: {auto: workers_ai/gpt-oss-20b}}", "models.aliases.auto", 3, 20, "a meaning", ""),
    "alias with a slash": ("models: {aliases: {a/b: workers_ai/gpt-oss-20b}}", "models.aliases.a/b", 3, 20, "is not an alias", "no slash"),
    "spend above the plan": ("limits: {spend_usd_per_month: 501}", "limits.spend_usd_per_month", 3, 10, "more than the 500 that plan starter allows", "Lower it to 500"),
    "requests above the plan": ("limits: {requests_per_minute: 61}", "limits.requests_per_minute", 3, 10, "more than the 60", ""),
    "tokens above the plan": ("limits: {tokens_per_minute: 100001}", "limits.tokens_per_minute", 3, 10, "more than the 100000", ""),
    "streams above the plan": ("limits: {concurrent_streams: 11}", "limits.concurrent_streams", 3, 10, "more than the 10", ""),
    "an end user above the tenant": ("limits: {spend_usd_per_month: 1, per_end_user: {spend_usd_per_month: 2}}", "limits.per_end_user.spend_usd_per_month", 3, 49, "more than the 1 that the tenant", ""),
    "retention above the plan": ("retention: {metadata_days: 8}", "retention.metadata_days", 3, 13, "more than the 7", ""),
    "trial_ends without a trial": ("trial_ends: 2026-12-24", "trial_ends", 3, 1, "does not apply to plan starter", ""),
    "no date": ("trial_ends: 2026-13-24", "trial_ends", 3, 1, "is not a date", "2026-12-24"),
    "epoch without rotated_at": ("keys: {epoch: 2}", "keys.rotated_at", 3, 1, "is missing", "2026-11-24T10:00:00Z"),
    "rotated_at without a zone": ("keys: {epoch: 2, rotated_at: 2026-11-24T10:00:00}", "keys.rotated_at", 3, 18, "is not a date", "time zone"),
    "rotated_at at the end of time": ("keys: {epoch: 2, rotated_at: 9999-12-31T23:59:59Z}", "keys.rotated_at", 3, 18, "is not a date", ""),
    "rotated_at out of this world": ("keys: {epoch: 2, rotated_at: 0001-01-01T00:00:00+14:00}", "keys.rotated_at", 3, 18, "is not a date", ""),
    "owners": ("owners: [a]", "owners", 3, 1, "is not supported yet", ""),
    "dedicated cell": ("cell: dedicated", "cell", 3, 1, "is not supported yet", ""),
    "fallback": ("models:\n  fallback: [workers_ai/llama-3.2-3b]", "models.fallback", 4, 3, "is not supported yet", ""),
    "weights": ("models: {aliases: {a: [{model: workers_ai/gpt-oss-20b, weight: 1}]}}", "models.aliases.a", 3, 20, "is not supported yet", "without weights"),
    "stickiness": ("models: {aliases: {a: {model: workers_ai/gpt-oss-20b, sticky: end_user}}}", "models.aliases.a", 3, 20, "is not supported yet", ""),
    "own providers": ("providers: {anthropic: {api_key: secret:x}}", "providers", 3, 1, "is not supported yet", ""),
    "assistant": ("assistant: {instructions: Hi}", "assistant", 3, 1, "is not supported yet", ""),
    "agreement": ("agreement: {fee_usd: 1}", "agreement", 3, 1, "is not supported yet", ""),
    "first key": ("keys: {initial: abc}", "keys.initial", 3, 8, "is not supported yet", ""),
    "kept content": ("retention: {content: 30}", "retention.content", 3, 13, "is not supported yet", "content: none"),
    "kept content for ever": ("retention: {content: all}", "retention.content", 3, 13, "none of its values", "none"),
    "duplicate field": ("contact: b@initech.example", "contact", 3, 1, "is given twice, first in line 2", "Remove one"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_found_where_it_is(load: Load, case: str) -> None:
    text, field, line, column, reason, remedy = FAULTS[case]
    finding = only(load({"initech": MINIMAL + text + "\n"}))
    assert (finding.field, finding.line, finding.column) == (field, line, column), finding.render()
    assert reason in finding.reason
    assert remedy in finding.remedy
    assert finding.remedy.strip()
    assert finding.file.endswith("tenants/initech.yaml")


def test_an_enterprise_plan_waits_for_agreements(load: Load) -> None:
    finding = only(load({"initech": MINIMAL.replace("starter", "enterprise")}))
    assert (finding.field, finding.line, finding.reason) == ("plan", 1, "is not supported yet")


@pytest.mark.parametrize("field", ["plan", "contact"])
def test_a_required_field_that_is_missing_is_named(load: Load, field: str) -> None:
    text = "".join(line for line in MINIMAL.splitlines(keepends=True) if not line.startswith(field))
    finding = only(load({"initech": text}))
    assert (finding.field, finding.reason) == (field, "is missing")


def test_a_real_stack_needs_identity_and_place_and_is_offered_the_lines(load: Load) -> None:
    loaded = load({"initech": MINIMAL}, placement_required=True)
    assert loaded.specs == ()
    assert [finding.field for finding in loaded.findings] == ["id", "cell"]
    offered = loaded.findings[0].remedy.split("`")[1], loaded.findings[1].remedy.split("`")[1]
    assert load({"initech": MINIMAL + "\n".join(offered)}, placement_required=True).findings == ()


def test_a_trial_needs_its_end_on_a_real_stack_only(load: Load) -> None:
    trial = "plan: trial\ncontact: a@initech.example\nid: k3v9qd\ncell: cell-1\n"
    assert load({"initech": trial}).findings == ()
    assert only(load({"initech": trial}, placement_required=True)).field == "trial_ends"
    assert load({"initech": trial + "trial_ends: 2026-12-24\n"}, placement_required=True).findings == ()


def test_a_trial_cannot_name_models_that_cost_money(load: Load) -> None:
    text = "plan: trial\ncontact: a@initech.example\nmodels: {default: anthropic/claude-haiku-5-5}\n"
    assert "which plan trial has none of" in only(load({"initech": text})).reason


def test_the_spend_may_be_raised_up_to_the_plans_most(load: Load) -> None:
    assert load({"initech": MINIMAL + "limits: {spend_usd_per_month: 500}\n"}).findings == ()


@pytest.mark.parametrize("name", ["api", "control", "client", "console", "health", "static", "v1", "www"])
def test_a_reserved_name_is_refused(load: Load, name: str) -> None:
    assert "Serai itself uses" in only(load({name: MINIMAL})).reason


@pytest.mark.parametrize(
    "name", ["a", "a" * 33, "Initech", "in_itech", "-initech", "initech-", "in.itech", "init ech", "ünitech", "a\nb"]
)
def test_a_name_that_is_no_dns_label_is_refused(load: Load, name: str) -> None:
    finding = only(load({name: MINIMAL}))
    assert "cannot be a tenant's" in finding.reason
    assert "\n" not in finding.render()


@pytest.mark.parametrize("name", ["ab", "a" * 32, "1st", "in-itech", "x--y"])
def test_a_dns_label_of_2_to_32_characters_is_a_name(load: Load, name: str) -> None:
    assert load({name: MINIMAL}).findings == ()


def test_the_same_name_in_two_folders_is_refused_in_the_second(load_folders: Load, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "acme.yaml").write_text(MINIMAL)
    folders = [tmp_path / "one", tmp_path / "two"]
    loaded = load_folders(folders)
    assert [tenant.path.parent.name for tenant in loaded.specs] == ["one"]
    assert "name of" in rendered(loaded)
    assert "one/acme.yaml already" in rendered(loaded)


@pytest.mark.parametrize(("line", "field"), [("id: k3v9qd", "id"), ("domains: [ai.serai.example]", "domains[0]")])
def test_an_id_or_domain_belongs_to_one_tenant(load: Load, line: str, field: str) -> None:
    loaded = load({"first": MINIMAL + line, "second": MINIMAL + line})
    assert [tenant.name for tenant in loaded.specs] == ["first"]
    (finding,) = loaded.findings
    assert (finding.field, finding.line) == (field, 3)
    assert "first.yaml already" in finding.reason


def test_a_domain_is_taken_even_by_a_file_with_other_faults(load: Load) -> None:
    line = "domains: [ai.serai.example]\n"
    loaded = load({"first": MINIMAL + line + "oops: 1\n", "second": MINIMAL + line})
    assert {finding.field for finding in loaded.findings} == {"oops", "domains[0]"}


def test_a_domain_twice_in_one_file_is_refused(load: Load) -> None:
    text = MINIMAL.replace("starter", "pro") + "domains: [ai.serai.example, ai.serai.example]\n"
    assert only(load({"initech": text})).reason == "is listed twice"


def test_all_findings_of_all_files_come_at_once_in_order(load: Load) -> None:
    broken = "plan: gold\ncontact: nobody\nlimits: {requests_per_minute: x}\nmodels: {default: openai/gpt-2, allow: [openai/*]}\n"
    loaded = load({"one": broken, "two": MINIMAL, "three": "plan: [\n"})
    assert [tenant.name for tenant in loaded.specs] == ["two"]
    found = [(Path(finding.file).name, finding.field) for finding in loaded.findings]
    expected = ["plan", "contact", "limits.requests_per_minute", "models.default"]
    assert found == [*[("one.yaml", field) for field in expected], ("three.yaml", "")]


def test_a_placeholder_for_a_faulty_value_is_never_reported(load: Load) -> None:
    text = (
        MINIMAL.replace("starter", "gold")
        + "domains: [NO]\nmodels: {allow: [7, workers_ai/*]}\nlimits: {spend_usd_per_month: 600}\n"
    )
    assert [finding.field for finding in load({"initech": text}).findings] == ["plan", "domains[0]", "models.allow[0]"]


@pytest.mark.parametrize(
    "text",
    ["api_key: sk-ant-0123456789", "display_name: [sk-1]\nsecret: hunter2", "x: sk-proj-abc\n", "domains: [sk-live-1]"],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(load: Load, text: str) -> None:
    loaded = load({"initech": MINIMAL + text})
    assert loaded.findings
    assert "sk-" not in rendered(loaded)
    assert "hunter2" not in rendered(loaded)


def test_findings_are_data_too(load: Load) -> None:
    finding = only(load({"initech": MINIMAL + "state: gone\n"}))
    assert finding.as_dict() == {
        "file": finding.file,
        "line": 3,
        "column": 1,
        "field": "state",
        "value": '"gone"',
        "reason": "is none of its values",
        "remedy": "It may be: active, suspended.",
    }
    assert finding.render() == (
        f'{finding.file}:3:1: state: is none of its values (found "gone"). It may be: active, suspended.'
    )


def test_scalars_are_read_as_editors_read_them(load: Load) -> None:
    """YAML 1.2: `no` is text, `010` is ten, a date is text until the field makes it one."""
    loaded = load({"initech": MINIMAL + "display_name: no\nlimits: {requests_per_minute: 010}\n"})
    assert rendered(loaded) == ""
    assert loaded.specs[0].spec.display_name == "no"
    assert loaded.specs[0].spec.limits.requests_per_minute == 10


def test_without_allow_the_default_is_what_is_allowed(load: Load) -> None:
    loaded = load({"initech": MINIMAL + "models: {default: openai/gpt-5.4-mini}\n"})
    assert loaded.specs[0].spec.models.allowed == ("openai/gpt-5.4-mini",)
