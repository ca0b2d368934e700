"""What D1 refuses that SQLite would accept (developers.cloudflare.com/d1/platform/limits)."""

from collections.abc import Sequence

from shared.edge.ports import Value


class D1RuleError(Exception):
    """A statement that D1 would refuse."""


def check_statement(sql: str, params: Sequence[Value]) -> None:  # the API's part fills this in
    if len(params) > 100:
        raise D1RuleError(f"too many bound parameters: {len(params)}; D1 takes at most 100")
