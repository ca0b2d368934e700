"""The plans are what the price list says."""

import pytest

from shared.spec.plans import Plan, load_plans, nano_usd

PRICE_LIST = """
                     trial   starter pro     business
fee_usd              0       29      99      299
included_messages    1000    1000    10000   50000
included_tokens      100000  100000  1000000 5000000
message_usd          None    0.03    0.02    0.01
requests_per_minute  60      60      300     1200
tokens_per_minute    100000  100000  1000000 5000000
concurrent_streams   5       10      50      200
spend_usd            0       50      200     1000
most_spend_usd       0       500     2000    10000
max_output_tokens    4096    8192    32768   65536
keys                 2       5       20      100
domains              0       1       3       10
sessions             100     1000    10000   100000
log_days             7       7       30      90
days                 14      None    None    None
included_window      total   month   month   month
"""
NAMES, *ROWS = [line.split() for line in PRICE_LIST.strip().splitlines()]


def test_every_field_of_every_plan_is_in_the_price_list() -> None:
    assert list(load_plans()) == NAMES
    assert {row[0] for row in ROWS} == set(Plan.model_fields)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_field_is_what_the_price_list_says(row: list[str]) -> None:
    for name, expected in zip(NAMES, row[1:], strict=True):
        value = getattr(load_plans()[name], row[0])
        assert (f"{value:g}" if isinstance(value, float) else str(value)) == expected


def test_only_a_trial_refuses_what_is_not_included() -> None:
    assert [name for name, plan in load_plans().items() if not plan.sells_beyond_included] == ["trial"]


def test_dollars_become_nano_dollars_exactly() -> None:
    assert nano_usd(0.1) == 100_000_000
    assert nano_usd(0.03) == 30_000_000
    assert nano_usd(1_000_000) == 10**15
    assert nano_usd(0.000000001) == 1
