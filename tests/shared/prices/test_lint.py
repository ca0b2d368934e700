"""A price file that is impossible is refused, with the entry and the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prices.lint import lint

SOUND = """
provider = "acme"
[[models]]
name = "small"
upstream_model = "small-1"
context_tokens = 128_000
max_output_tokens = 8_000
capabilities = ["tools"]
[[models.prices]]
effective_from = 2026-01-01
usd_per_million = { input = 0.50, cached_read = 0.05, output = 2 }
source = "https://acme.example/prices"
checked = 2026-11-24
[[models.prices]]
effective_from = 2026-06-01
usd_per_million = { input = 0.40, output = 2 }
long_prompt = { above_tokens = 100_000, usd_per_million = { input = 0.80, output = 4 } }
source = "https://acme.example/prices"
checked = 2026-11-24
"""

PRICES = SOUND[SOUND.index("[[models.prices]]") :]
BROKEN = {
    "negative": ("input = 0.50", "input = -0.50", "not between"),
    "output costs nothing": ("output = 2 }\nsource", "output = 0 }\nsource", "not between"),
    "cached read dearer": ("cached_read = 0.05", "cached_read = 0.51", "cached_read is dearer than input"),
    "cache write absurd": ("cached_read = 0.05", "cache_write_1h = 5.1", "cache_write_1h is more than ten times"),
    "unknown class": ("cached_read =", "cache_read =", "unknown token classes: cache_read"),
    "no output": (", output = 2 }\nsource", " }\nsource", "output` is missing"),
    "text price": ("input = 0.50", 'input = "0.50"', "not between"),
    "not a number": ("input = 0.50", "input = nan", "not between"),
    "boolean": ("input = 0.50", "input = true", "not between"),
    "thousand times dearer": ("input = 0.50", "input = 5000", "not between"),
    "same day twice": ("2026-06-01", "2026-01-01", "2 prices with effective_from 2026-01-01"),
    "same version twice": ("= 2026-06-01", '= 2026-06-01\nversion = "2026-01-01"', "2 prices with version"),
    "no source": ('source = "https://acme.example/prices"\n', "", "misses source"),
    "source no URL": ("https://acme.example", "somebody said", "https URL"),
    "not dated": ("checked = 2026-11-24", 'checked = "2026-11-24"', "must be a date"),
    "dated with time": ("effective_from = 2026-06-01", "effective_from = 2026-06-01T00:00:00Z", "must be a date"),
    "context too small": ("context_tokens = 128_000", "context_tokens = 7_999", "is more than context_tokens"),
    "context zero": ("context_tokens = 128_000", "context_tokens = 0", "above 0"),
    "unknown capability": ('["tools"]', '["tolls"]', "`capabilities` must be"),
    "unknown field": ('name = "small"', 'name = "small"\nnmae = 1', "unknown fields: nmae"),
    "wrong provider": ('provider = "acme"', 'provider = "other"', "must be the file's name"),
    "long prompt cheaper": ("input = 0.80", "input = 0.30", "input is cheaper than for short prompts"),
    "long prompt without threshold": ("above_tokens = 100_000, ", "", "`long_prompt` must be"),
    "unverified without a note": ("checked = 2026-11-24", "checked = 2026-11-24\nverified = false", "`note` must say"),
    "request price absurd": ("checked = 2026-11-24", "checked = 2026-11-24\nusd_per_request = 30", "between 0 and 1"),
    "not TOML": ("provider =", "provider", "is not valid TOML"),
    "no models": (SOUND, 'provider = "acme"', "has no [[models]]"),
    "models no tables": (SOUND, 'provider = "acme"\nmodels = [1]', "has no [[models]]"),
    "no prices": (PRICES, "", "misses prices"),
    "empty prices": (PRICES, "prices = []", "has no [[models.prices]]"),
    "duplicate model": (SOUND, SOUND + SOUND.partition('"acme"')[2], "is there more than once"),
}  # fmt: skip


def reasons(text: str) -> list[str]:
    return [finding.render() for finding in lint({"acme.toml": text})]


def test_a_sound_file_has_no_findings() -> None:
    assert reasons(SOUND) == []


@pytest.mark.parametrize("case", BROKEN)
def test_an_impossible_entry_is_found(case: str) -> None:
    before, after, reason = BROKEN[case]
    assert before in SOUND
    found = reasons(SOUND.replace(before, after, 1))
    assert any(reason in finding for finding in found), found
    assert all(finding.startswith("acme.toml: ") for finding in found)


def models_at(*prices: float) -> str:
    """A file with one model a price, otherwise as SOUND."""
    one = SOUND.partition('"acme"')[2].partition("[[models.prices]]\neffective_from = 2026-06-01")[0]
    one = one.replace("input = 0.50, cached_read = 0.05", "input = PRICE")
    numbered = [
        one.replace('"small"', f'"m{index}"').replace("PRICE", f"{price:f}") for index, price in enumerate(prices)
    ]
    return 'provider = "acme"' + "".join(numbered)


@pytest.mark.parametrize("price", [0.3 * 1000, 2 / 1000])
def test_an_entry_a_thousand_times_off_is_found_by_its_neighbours(price: float) -> None:
    assert reasons(models_at(0.5, 1, 2, 0.3)) == []
    found = reasons(models_at(0.5, 1, 2, price))
    assert len(found) == 1
    assert "acme/m3: input at" in found[0]
    assert "times off the provider's middle" in found[0]


def test_all_findings_come_at_once() -> None:
    text = (
        SOUND.replace("input = 0.50", "input = -1")
        .replace("checked = 2026-11-24", "checked = 1")
        .replace("128_000", "1")
    )
    assert len(reasons(text)) >= 4


TOML_VALUES = st.sampled_from(["1", "-1", "0", '"x"', "true", "[]", "[1]", "{}", "2026-01-01", "nan", "1e400", "[{}]"])


@given(st.integers(0, 40), TOML_VALUES)
def test_any_value_anywhere_is_a_finding_at_most(line: int, value: str) -> None:
    lines: list[str] = list(SOUND.strip().splitlines())
    index = line % len(lines)
    lines[index] = lines[index].partition(" = ")[0] + f" = {value}" if "=" in lines[index] else f"x = {value}"
    assert all(finding for finding in reasons("\n".join(lines)))
