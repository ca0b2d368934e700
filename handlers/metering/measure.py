"""What an outcome comes to: usage with every class counted, where it is from, and its cost. Pure."""

from dataclasses import dataclass

from handlers.metering.admission import Admission, Held, Outcome
from shared.prices.book import Price
from shared.prices.cost import cost_nano_usd, worst_case
from shared.prices.usage import Usage

MOST_TOKENS = 1_000_000_000
"""No answer has more: such a count is not believed."""


@dataclass(frozen=True, slots=True)
class Measure:
    usage: Usage
    source: str | None
    price: Price
    nano_usd: int


def worst_nano_usd(admission: Admission, max_output: int, markup_percent: int) -> int:
    return marked_up(worst_case(admission.price, admission.input_bound, max_output), markup_percent)


def marked_up(nano_usd: int, percent: int) -> int:
    return nano_usd if percent == 0 else -(-nano_usd * (100 + percent) // 100)


def measure(held: Held, outcome: Outcome, markup_percent: int) -> Measure:
    """Nothing reported is never nothing used: what a provider left out is counted as the most that it can be."""
    if outcome.answered_by is None:
        return Measure(Usage(0, 0, 0, 0, 0, 0), None, held.admission.price, 0)
    if outcome.usage_source == "hold":
        usage = Usage(held.admission.input_bound, 0, 0, 0, held.max_output, 0)
        return Measure(
            usage, "hold", held.admission.price, worst_nano_usd(held.admission, held.max_output, markup_percent)
        )
    usage, complete = _counted(held, outcome.usage)
    price = outcome.price or held.admission.price
    source = outcome.usage_source if complete else "estimate"
    return Measure(usage, source, price, marked_up(cost_nano_usd(price, usage), markup_percent))


def _counted(held: Held, usage: Usage) -> tuple[Usage, bool]:
    """The usage with a count for every class, and whether the provider gave those that matter."""
    cached, write_5m, write_1h = (
        _known(count) or 0 for count in (usage.cached_read, usage.cache_write_5m, usage.cache_write_1h)
    )
    plain, output = _known(usage.input), _known(usage.output)
    complete = plain is not None and output is not None
    if plain is None:
        plain = max(0, held.admission.input_bound - cached - write_5m - write_1h)
    if output is None:
        output = held.max_output
    return Usage(plain, cached, write_5m, write_1h, output, min(_known(usage.reasoning) or 0, output)), complete


def _known(count: int | None) -> int | None:
    return count if count is not None and 0 <= count <= MOST_TOKENS else None


def expected_nano_usd(held: Held, outcome: Outcome, markup_percent: int) -> int:
    """What settling will come to, by the share of the included tokens that the hold has. Exact unless a hold beside it
    gave some of them back meanwhile: then settling charges less."""
    if outcome.answered_by is None:
        return 0
    measured = measure(held, outcome, markup_percent)
    usage = measured.usage
    tokens = sum(
        count or 0
        for count in (usage.input, usage.cached_read, usage.cache_write_5m, usage.cache_write_1h, usage.output)
    )
    fund = min(tokens, held.included_tokens) if outcome.included else 0
    model = measured.nano_usd if tokens == 0 else -(-measured.nano_usd * (tokens - fund) // tokens)
    return model + held.message_nano_usd
