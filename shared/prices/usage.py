"""Tokens of one answer by class."""

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Token counts. None means that the provider did not say, which is not the same as 0.

    The input classes are disjoint: `input` counts what was neither read from nor written to a cache.
    `output` is everything generated; `reasoning` says how much of it was reasoning.
    """

    input: int | None = None
    cached_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
