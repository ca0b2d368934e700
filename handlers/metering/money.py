"""Money as a caller reads it."""


def format_usd(nano_usd: int) -> str:
    """Nano-dollars as a decimal number of dollars, exactly."""
    sign = "-" if nano_usd < 0 else ""
    whole, rest = divmod(abs(nano_usd), 1_000_000_000)
    fraction = f"{rest:09d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
