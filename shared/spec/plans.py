"""The plans of plans.yaml, typed."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter

from shared.spec.document import read_document

FILE = Path(__file__).with_name("plans.yaml")


class Plan(BaseModel):
    """One subscription tier."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    fee_usd: NonNegativeFloat
    days: PositiveInt | None = None
    included_messages: NonNegativeInt
    included_tokens: NonNegativeInt
    included_window: Literal["month", "total"] = "month"
    message_usd: Annotated[float | None, Field(ge=0)] = None
    requests_per_minute: PositiveInt
    tokens_per_minute: PositiveInt
    concurrent_streams: PositiveInt
    spend_usd: NonNegativeFloat
    most_spend_usd: NonNegativeFloat
    max_output_tokens: PositiveInt
    keys: PositiveInt
    domains: NonNegativeInt
    sessions: PositiveInt
    log_days: PositiveInt

    @property
    def sells_beyond_included(self) -> bool:
        """Whether messages and tokens beyond the included ones, and other providers' models, are sold at all."""
        return self.message_usd is not None


@cache
def load_plans() -> Mapping[str, Plan]:
    """Plans by name. The file is the project's own: a fault in it is a bug, and raises."""
    document = read_document(FILE)
    if document.findings:
        raise ValueError(document.findings[0].render())
    return MappingProxyType(TypeAdapter(dict[str, Plan]).validate_python(document.data))


def nano_usd(usd: float) -> int:
    """Dollars as written in a file to nano-dollars: by way of their decimal text, never of binary fractions."""
    return int(Decimal(str(usd)) * 1_000_000_000)
