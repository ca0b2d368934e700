"""From tokens to money. Integer nano-dollars, rounded up once, at the end."""

from shared.prices.book import Price
from shared.prices.usage import Usage

MILLION = 1_000_000


class UnknownUsageError(ValueError):
    """A class of tokens has no usable count. The caller decides what stands in for it, not the arithmetic."""


def cost_nano_usd(price: Price, usage: Usage) -> int:
    """What an answer costs at cost price. Every class needs a count; `reasoning` is part of `output` and ignored."""
    plain = _count(usage.input, "input")
    cached = _count(usage.cached_read, "cached_read")
    write_5m = _count(usage.cache_write_5m, "cache_write_5m")
    write_1h = _count(usage.cache_write_1h, "cache_write_1h")
    output = _count(usage.output, "output")
    rates = price.rates_for(plain + cached + write_5m + write_1h)
    millionths = (
        plain * rates.input
        + cached * rates.cached_read
        + write_5m * rates.cache_write_5m
        + write_1h * rates.cache_write_1h
        + output * rates.output
    )
    return price.per_request_nano_usd + _round_up(millionths)


def worst_case(price: Price, input_tokens: int, output_tokens: int) -> int:
    """The most that a request can cost whose prompt has at most `input_tokens`: all of it in the dearest class."""
    rates = price.rates_for(input_tokens)
    return price.per_request_nano_usd + _round_up(input_tokens * rates.dearest_input + output_tokens * rates.output)


def _count(tokens: int | None, name: str) -> int:
    if tokens is None or tokens < 0:
        raise UnknownUsageError(f"no usable count of {name} tokens: {tokens}")
    return tokens


def _round_up(millionths: int) -> int:
    return -(-millionths // MILLION)
