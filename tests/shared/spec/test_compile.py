"""Specs become data modules that the edge reads back as they were meant, the same bytes every time."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shared.keys import derive_admin_key, hash_key
from shared.prices.book import load_book
from shared.spec.compile import admin_key_hashes, compile_directory, compile_tenants, database_binding
from shared.spec.compiled import AdminKeyHash, EndUserLimits, Limits, Provider, read_tenants
from shared.spec.load import Loaded, LoadedTenant, made_up_id
from shared.spec.plans import load_plans
from shared.spec.providers import ProviderConfig, load_providers

Load = Callable[..., Loaded]

PRO = """\
plan: pro
display_name: Initech
contact: ops@initech.example
id: k3v9qd
domains: [www.initech.example, ai.initech.example]
keys: {epoch: 3, rotated_at: 2026-11-24T10:00:00+01:00, overlap_hours: 24}
models:
  allow: [workers_ai/*, anthropic/claude-haiku-5-5]
  aliases: {fast: workers_ai/llama-3.2-3b}
limits: {spend_usd_per_month: 0.1, tokens_per_minute: 500, per_end_user: {spend_usd_per_month: 0.05}}
retention: {metadata_days: 14}
"""
TRIAL = "plan: trial\ncontact: ops@initech.example\ntrial_ends: 2026-12-24\nstate: suspended\n"
PROVIDERS = (
    ProviderConfig("workers_ai", "workers_ai", None, None),
    ProviderConfig("openai", "openai", "https://api.openai.com/v1", "openai"),
)


def compiled(specs: Sequence[LoadedTenant], providers: Sequence[ProviderConfig] = PROVIDERS) -> bytes:
    return compile_tenants(
        "cell-1",
        "api.serai.example",
        specs,
        load_plans(),
        providers,
        {"workers_ai": True, "openai": False},
        {"openai": "Set OPENAI_API_KEY."},
        {loaded.name: admin_key_hashes(loaded, "platform", "pepper") for loaded in specs},
    )


@pytest.fixture
def specs(load: Load) -> tuple[LoadedTenant, ...]:
    loaded = load({"initech": PRO, "first-try": TRIAL})
    assert loaded.findings == ()
    return loaded.specs


def test_a_cell_reads_back_what_the_specs_and_plans_say(specs: tuple[LoadedTenant, ...]) -> None:
    config = read_tenants(compiled(specs))
    assert (config.cell, config.api_host) == ("cell-1", "api.serai.example")
    trial, initech = config.tenants
    assert (initech.name, initech.id, initech.binding) == ("initech", "k3v9qd", "DB_INITECH")
    assert (initech.display_name, initech.state, initech.trial_ends) == ("Initech", "active", None)
    assert initech.hostnames == ("ai.initech.example", "www.initech.example")
    assert initech.default == "workers_ai/gpt-oss-20b"
    assert initech.allow == ("workers_ai/*", "anthropic/claude-haiku-5-5")
    assert initech.aliases == {"fast": "workers_ai/llama-3.2-3b"}
    assert initech.metadata_days == 14
    assert initech.limits == Limits(
        spend_nano_usd_per_month=100_000_000,
        requests_per_minute=300,
        tokens_per_minute=500,
        concurrent_streams=50,
        max_output_tokens=32_768,
        max_keys=20,
        included_messages=10_000,
        included_tokens=1_000_000,
        included_window="month",
        message_nano_usd=20_000_000,
        tokens_beyond_included=True,
        markup_percent=0,
        per_end_user=EndUserLimits(spend_nano_usd_per_month=50_000_000, requests_per_minute=None),
    )
    assert (trial.name, trial.id, trial.binding) == ("first-try", made_up_id("first-try"), "DB_FIRST_TRY")
    assert (trial.display_name, trial.state, trial.trial_ends) == ("first-try", "suspended", "2026-12-24")
    assert (trial.limits.included_window, trial.limits.message_nano_usd) == ("total", None)
    assert (trial.limits.spend_nano_usd_per_month, trial.limits.tokens_beyond_included) == (0, False)
    assert trial.limits.per_end_user is None
    assert trial.metadata_days == 7


def test_a_spec_without_limits_has_the_plans_and_the_spend_it_gives_by_default(load: Load) -> None:
    loaded = load({"acme": "plan: starter\ncontact: a@acme.example\n"})
    limits = read_tenants(compiled(loaded.specs)).tenants[0].limits
    assert limits.spend_nano_usd_per_month == 50_000_000_000
    assert (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_streams) == (60, 100_000, 10)


def test_a_limit_of_zero_dollars_is_not_the_default(load: Load) -> None:
    loaded = load({"acme": "plan: starter\ncontact: a@acme.example\nlimits: {spend_usd_per_month: 0}\n"})
    assert read_tenants(compiled(loaded.specs)).tenants[0].limits.spend_nano_usd_per_month == 0


def test_a_cell_knows_which_providers_lack_their_key(specs: tuple[LoadedTenant, ...]) -> None:
    providers = read_tenants(compiled(specs)).providers
    assert providers["workers_ai"] == Provider("workers_ai", "workers_ai", None, True, None, key_required=False)
    assert providers["openai"] == Provider(
        "openai", "openai", "https://api.openai.com/v1", False, "Set OPENAI_API_KEY.", key_required=True
    )


def test_models_that_the_operator_added_reach_the_cell(specs: tuple[LoadedTenant, ...], tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(
        "lab: {kind: openai_compatible, base_url: http://127.0.0.1:1/v1, models: {tiny: {context_tokens: 9,"
        " max_output_tokens: 9, usd_per_million: {input: 0.1, output: 0.7}, effective_from: 2026-06-01}}}\n"
    )
    providers = load_providers(path).providers
    book = read_tenants(compiled(specs, list(providers.values()))).price_book(load_book())
    assert book.entry("lab/tiny") == providers["lab"].models[0]
    assert book.price("lab/tiny", datetime(2026, 5, 31, tzinfo=UTC)) is None
    price = book.price("lab/tiny", datetime(2026, 6, 1, tzinfo=UTC))
    assert price is not None
    assert (price.rates.input, price.rates.output, price.effective_from) == (100_000_000, 700_000_000, date(2026, 6, 1))
    assert book.entry("workers_ai/gpt-oss-20b") == load_book().entry("workers_ai/gpt-oss-20b")


def test_the_order_of_files_does_not_change_a_byte(specs: tuple[LoadedTenant, ...]) -> None:
    expected = compiled(specs), compile_directory(specs, {"cell-1": "api.serai.example"})
    for seed in range(5):
        shuffled = random.Random(seed).sample(specs, len(specs))  # noqa: S311
        backwards = compiled(shuffled, PROVIDERS[::-1])
        assert (backwards, compile_directory(shuffled, {"cell-1": "api.serai.example"})) == expected


def test_nothing_secret_is_written(specs: tuple[LoadedTenant, ...]) -> None:
    document = compiled(specs).decode()
    for loaded in specs:
        for epoch in (1, 2, 3):
            assert derive_admin_key("platform", loaded.name, loaded.id, epoch) not in document
    assert "contact" not in document
    assert "ops@" not in document


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2; this version reads 1"):
        read_tenants(b'{"format": 2}')


def test_the_directory_says_where_each_tenant_lives(specs: tuple[LoadedTenant, ...]) -> None:
    directory = json.loads(compile_directory(specs, {"cell-1": "api.serai.example"}))
    assert directory["format"] == 1
    assert directory["api_host"] == {"cell-1": "api.serai.example"}
    assert directory["tenants"][1] == {
        "name": "initech",
        "id": "k3v9qd",
        "plan": "pro",
        "cell": "cell-1",
        "state": "active",
        "endpoint": "https://api.serai.example/initech",
        "hostnames": ["ai.initech.example", "www.initech.example"],
        "domains": [
            {"name": "ai.initech.example", "status": "active"},
            {"name": "www.initech.example", "status": "active"},
        ],
    }


def hashed(name: str, tenant_id: str, epoch: int) -> str:
    return hash_key("pepper", derive_admin_key("platform", name, tenant_id, epoch))


def keys_of(load: Load, keys: str) -> tuple[AdminKeyHash, ...]:
    loaded = load({"acme": f"plan: pro\ncontact: a@acme.example\nid: k3v9qd\nkeys: {keys}\n"})
    assert loaded.findings == ()
    return admin_key_hashes(loaded.specs[0], "platform", "pepper")


def test_the_first_epoch_has_one_key(load: Load) -> None:
    assert keys_of(load, "{epoch: 1}") == (AdminKeyHash(1, hashed("acme", "k3v9qd", 1), None),)


def test_a_raised_epoch_keeps_the_key_before_for_the_overlap(load: Load) -> None:
    assert keys_of(load, "{epoch: 3, rotated_at: 2026-11-24T10:00:00+01:00, overlap_hours: 24}") == (
        AdminKeyHash(3, hashed("acme", "k3v9qd", 3), None),
        AdminKeyHash(2, hashed("acme", "k3v9qd", 2), "2026-11-25T09:00:00Z"),
    )


def test_without_an_overlap_the_key_before_ends_at_once(load: Load) -> None:
    keys = keys_of(load, "{epoch: 2, rotated_at: 2026-11-24T10:00:00Z, overlap_hours: 0}")
    assert [key.epoch for key in keys] == [2]


def test_bindings_have_no_hyphens() -> None:
    assert database_binding("in-i-tech1") == "DB_IN_I_TECH1"


def test_a_cell_reads_its_tenants_without_pydantic_or_yaml(specs: tuple[LoadedTenant, ...], tmp_path: Path) -> None:
    (tmp_path / "tenants.json").write_bytes(compiled(specs))
    code = (
        "import sys; from shared.spec.compiled import read_tenants;"
        f"read_tenants(open({str(tmp_path / 'tenants.json')!r}, 'rb').read());"
        "print([name for name in ('pydantic', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
