"""Tokens to nano-dollars: exact, rounded up once, never below the worst case."""

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prices.book import LongPrompt, ModelEntry, Price, Rates, load_book
from shared.prices.cost import UnknownUsageError, cost_nano_usd, worst_case
from shared.prices.usage import Usage

NOW = datetime(2026, 11, 24, tzinfo=UTC)
COUNTS = st.integers(0, 5_000_000)
ENTRIES = st.sampled_from(sorted(load_book(), key=lambda entry: entry.name))


def usage(input: int, output: int, cached_read: int = 0, write_5m: int = 0, write_1h: int = 0) -> Usage:  # noqa: A002
    return Usage(input, cached_read, write_5m, write_1h, output, None)


def price(model: str) -> Price:
    found = load_book().price(model, NOW)
    assert found is not None
    return found


def test_twelve_tokens_in_and_thirty_four_out() -> None:
    assert cost_nano_usd(price("workers_ai/gpt-oss-20b"), usage(12, 34)) == 12_600  # 12 * $0.20/M + 34 * $0.30/M


def test_every_class_has_its_own_rate() -> None:
    answer = Usage(1000, 2000, 4000, 8000, 16_000, 15_000)
    expected = 1000 * 4_000 + 2000 * 200 + 4000 * 5_000 + 8000 * 8_000 + 16_000 * 20_000
    assert cost_nano_usd(price("anthropic/claude-opus-5-5"), answer) == expected


def test_a_fraction_of_a_nano_dollar_is_rounded_up_once() -> None:
    cheap = Price(
        "x/y", "1", date(2026, 1, 1), Rates(input=1, cached_read=1, cache_write_5m=1, cache_write_1h=1, output=1)
    )
    assert cost_nano_usd(cheap, usage(1, 1)) == 1
    assert cost_nano_usd(cheap, usage(500_000, 500_000)) == 1
    assert cost_nano_usd(cheap, usage(500_000, 500_001)) == 2
    assert cost_nano_usd(cheap, usage(0, 0)) == 0
    assert cost_nano_usd(replace(cheap, per_request_nano_usd=7), usage(0, 0)) == 7


def test_a_long_prompt_is_dearer_as_a_whole_and_counts_cached_tokens() -> None:
    haiku = price("anthropic/claude-haiku-5-5")
    assert cost_nano_usd(haiku, usage(100_000, 1000)) == 100_000 * 100 + 1000 * 500
    assert cost_nano_usd(haiku, usage(100_001, 1000)) == 100_001 * 500 + 1000 * 2500
    assert cost_nano_usd(haiku, usage(1, 1000, cached_read=100_000)) == 500 + 100_000 * 50 + 1000 * 2500


@pytest.mark.parametrize("field", ["input", "cached_read", "cache_write_5m", "cache_write_1h", "output"])
@pytest.mark.parametrize("count", [None, -1])
def test_an_unknown_count_is_the_callers_to_resolve(field: str, count: int | None) -> None:
    unknown = replace(usage(1, 1), **{field: count})
    with pytest.raises(UnknownUsageError, match=field):
        cost_nano_usd(price("openai/gpt-5.4"), unknown)


@given(ENTRIES, st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), COUNTS)
def test_no_answer_costs_more_than_the_worst_case_of_its_size(
    entry: ModelEntry, prompt: tuple[int, int, int, int], output: int
) -> None:
    for each in entry.prices:
        assert cost_nano_usd(each, Usage(*prompt, output)) <= worst_case(each, sum(prompt), output)


@given(ENTRIES, COUNTS, COUNTS, COUNTS)
def test_the_worst_case_grows_with_every_bound(entry: ModelEntry, tokens: int, more: int, output: int) -> None:
    for each in entry.prices:
        assert worst_case(each, tokens, output) <= worst_case(each, tokens + more, output)
        assert worst_case(each, tokens, output) <= worst_case(each, tokens, output + more)


@given(ENTRIES, COUNTS, COUNTS)
def test_the_cost_is_the_exact_one_rounded_up(entry: ModelEntry, tokens: int, output: int) -> None:
    each = entry.prices[-1]
    rates = each.rates_for(tokens)
    exact = Fraction(tokens * rates.input + output * rates.output, 1_000_000)
    assert exact <= cost_nano_usd(each, usage(tokens, output)) < exact + 1


def test_writing_to_a_cache_is_the_dearest_input_of_anthropic() -> None:
    assert worst_case(price("anthropic/claude-sonnet-5-5"), 1_000_000, 0) == 4_000_000_000


def test_the_bound_of_a_prompt_decides_its_tier() -> None:
    flat = Rates(input=10, cached_read=1, cache_write_5m=10, cache_write_1h=10, output=20)
    steep = Rates(input=1000, cached_read=100, cache_write_5m=1000, cache_write_1h=1000, output=2000)
    tiered = Price("x/y", "1", date(2026, 1, 1), flat, long_prompt=LongPrompt(1_000_000, steep))
    assert worst_case(tiered, 1_000_000, 0) == 10
    assert worst_case(tiered, 1_000_001, 0) == 1001
