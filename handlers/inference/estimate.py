"""What stands in for token counts that a provider did not report. Never zero because nothing was said."""

from dataclasses import replace

from shared.prices.usage import Usage

BYTES_PER_TOKEN = 3
"""UTF-8 bytes a token holds at least, over a text: English comes to 4 or 5, code and Chinese to 3. An estimate that
replaces a count must not fall short of it."""


def input_estimate(input_bound: int) -> int:
    """Tokens of a prompt of which only the upper bound, about its bytes, is known."""
    return -(-input_bound // BYTES_PER_TOKEN)


def output_estimate(size: int) -> int:
    """Tokens of that many bytes of generated text."""
    return -(-size // BYTES_PER_TOKEN)


def complete(usage: Usage, input_bound: int, output: int, *, whole: bool = True) -> tuple[Usage, str]:
    """The usage with a count in every class, and its source: `provider` when both directions were reported.

    A provider that reports the input but not how much of it was cached is taken at its word: none was.
    Of an answer that is not whole, the count so far may be that of its beginning: the larger one stands.
    """
    source = "provider"
    if usage.input is None:
        usage, source = replace(usage, input=input_estimate(input_bound)), "estimate"
    if usage.output is None or (not whole and usage.output < output):
        usage, source = replace(usage, output=output), "estimate"
    if None in (usage.cached_read, usage.cache_write_5m, usage.cache_write_1h, usage.reasoning):
        usage = Usage(
            usage.input,
            usage.cached_read or 0,
            usage.cache_write_5m or 0,
            usage.cache_write_1h or 0,
            usage.output,
            usage.reasoning or 0,
        )
    return usage, source
