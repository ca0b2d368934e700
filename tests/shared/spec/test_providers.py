"""The operator's providers: a mapping from name to address and secret, or what is wrong with it."""
# ruff: noqa: E501 - a table of faults is read by its columns

from pathlib import Path

import pytest

from shared.spec.providers import LoadedProviders, ProviderConfig, load_providers, provider_kinds

PROJECT = Path(__file__).parents[3]
OWN_MODEL = """\
lab:
  kind: openai_compatible
  base_url: http://127.0.0.1:11434/v1
  models:
    meta/llama-9:
      context_tokens: 8192
      max_output_tokens: 4096
      usd_per_million: {input: 0.1, output: 0.25}
      effective_from: 2026-01-01
"""


def load(tmp_path: Path, text: str) -> LoadedProviders:
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    return load_providers(path)


def test_the_shipped_file_is_valid() -> None:
    loaded = load_providers(PROJECT / "infra" / "providers.yaml")
    assert loaded.findings == ()
    assert loaded.providers["workers_ai"] == ProviderConfig("workers_ai", "workers_ai", None, None)
    assert loaded.providers["openai"] == ProviderConfig("openai", "openai", "https://api.openai.com/v1", "openai")
    assert loaded.providers["anthropic"].base_url == "https://api.anthropic.com"


def test_a_compatible_provider_is_one_line(tmp_path: Path) -> None:
    line = "groq: {kind: openai_compatible, base_url: https://api.groq.com/openai/v1/, api_key: secret:groq}\n"
    loaded = load(tmp_path, line)
    assert loaded.findings == ()
    assert loaded.providers == {
        "groq": ProviderConfig("groq", "openai_compatible", "https://api.groq.com/openai/v1", "groq")
    }


def test_kinds_are_the_files_that_serve_them() -> None:
    assert {"anthropic", "openai", "openai_compatible", "workers_ai"} <= set(provider_kinds())
    assert all((PROJECT / f"handlers/inference/providers/{kind}.py").is_file() for kind in provider_kinds())


def test_a_provider_brings_models_that_the_price_book_does_not_know(tmp_path: Path) -> None:
    loaded = load(tmp_path, OWN_MODEL)
    assert loaded.findings == ()
    (entry,) = loaded.providers["lab"].models
    assert (entry.name, entry.upstream_model) == ("lab/meta/llama-9", "meta/llama-9")
    assert entry.prices[0].rates.input == 100_000_000
    assert entry.prices[0].rates.output == 250_000_000
    assert entry.prices[0].version == "2026-01-01"


URL = "base_url: https://x.example/v1"
FAULTS = {
    "unknown kind": (f"x: {{kind: opena, {URL}}}", "x.kind", "is no kind of provider", "Did you mean openai?"),
    "no kind": (f"x: {{{URL}}}", "x", "is no kind of provider", "kind: openai_compatible"),
    "unknown field": (f"openai: {{{URL}, apikey: secret:x}}", "openai.apikey", "is not a field", "Did you mean api_key?"),
    "a key itself": (f"openai: {{{URL}, api_key: sk-proj-0123}}", "openai.api_key", "must refer to a secret", "secret:NAME"),
    "a key without a prefix": (f"openai: {{{URL}, api_key: hunter2}}", "openai.api_key", "must refer to a secret", "secret:NAME"),
    "password in the URL": ("openai: {base_url: https://me:hunter2@x.example/v1}", "openai.base_url", "user name or password", "api_key"),
    "no URL": ("openai: {api_key: secret:openai}", "openai.base_url", "is missing", "URL"),
    "another scheme": ("openai: {base_url: ftp://x.example}", "openai.base_url", "is not a base URL", "https://"),
    "no host": ("openai: {base_url: https:///v1}", "openai.base_url", "is not a base URL", ""),
    "port out of range": ("openai: {base_url: https://x.example:99999/v1}", "openai.base_url", "is not a base URL", ""),
    "unclosed bracket": ("openai: {base_url: 'https://[::1/v1'}", "openai.base_url", "is not a base URL", ""),
    "query": ("openai: {base_url: https://x.example/v1?key=1}", "openai.base_url", "is not a base URL", ""),
    "workers_ai elsewhere": (f"workers_ai: {{{URL}}}", "workers_ai.base_url", "does not apply", "Remove"),
    "workers_ai under another name": ("ai: {kind: workers_ai}", "ai", "mixes workers_ai", "workers_ai: {}"),
    "workers_ai of another kind": (f"workers_ai: {{kind: openai, {URL}}}", "workers_ai", "mixes workers_ai", ""),
    "no mapping": ("openai: https://x.example", "openai", "must be a mapping", ""),
    "no value": ("openai:\n", "openai", "has no value", ""),
    "name with a slash": (f"a/b: {{kind: openai, {URL}}}", "a/b", "is not a provider's name", ""),
    "name twice": (f"openai: {{{URL}}}\nopenai: {{{URL}}}", "openai", "given twice", ""),
    "anchor": (f"openai: &x {{{URL}}}", "openai", "anchor", ""),
    "empty": ("", "", "is empty", ""),
    "model in the book": (OWN_MODEL.replace("lab:", "openai:").replace("meta/llama-9", "gpt-5.4"), "openai.models.gpt-5.4", "in the price book already", ""),
    "model free of charge": (OWN_MODEL.replace("output: 0.25", "output: 0"), "lab.models.meta/llama-9.usd_per_million", "not between", ""),
    "model with an unknown class": (OWN_MODEL.replace("output: 0.25", "output: 0.25, thinking: 1"), "lab.models.meta/llama-9.usd_per_million", "unknown token classes: thinking", ""),
    "model with more output than context": (OWN_MODEL.replace("4096", "9000"), "lab.models.meta/llama-9.max_output_tokens", "more than context_tokens", ""),
    "model without a date": (OWN_MODEL.replace("      effective_from: 2026-01-01\n", ""), "lab.models.meta/llama-9.effective_from", "is missing", ""),
    "model with an unknown capability": (OWN_MODEL + "      capabilities: [tolls]\n", "lab.models.meta/llama-9.capabilities", "unknown", "Did you mean tools?"),
    "model with a misspelt field": (OWN_MODEL + "      upstream: x\n", "lab.models.meta/llama-9.upstream", "is not a field", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_found_and_no_secret_repeated(tmp_path: Path, case: str) -> None:
    text, field, reason, remedy = FAULTS[case]
    loaded = load(tmp_path, text)
    rendered = [finding.render() for finding in loaded.findings]
    assert [finding.field for finding in loaded.findings] == [field], rendered
    assert reason in loaded.findings[0].reason
    assert remedy in loaded.findings[0].remedy
    assert "sk-proj" not in rendered[0]
    assert "hunter2" not in rendered[0]


def test_all_findings_come_at_once_and_the_sound_rest_is_kept(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"a: {{kind: x, {URL}}}\nopenai: {{{URL}}}\nb: {{kind: openai}}\n")
    assert [(finding.field, finding.line) for finding in loaded.findings] == [("a.kind", 1), ("b.base_url", 3)]
    assert "openai" in loaded.providers


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert "cannot be read" in load_providers(tmp_path / "gone.yaml").findings[0].reason
