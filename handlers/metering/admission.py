"""What goes into the ledger and what comes out: the data of hold and settle. Pure."""

from dataclasses import dataclass, field

from shared.prices.book import Price
from shared.prices.usage import Usage


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, and why it is on the list (`default`, `alias fast`, `named`)."""

    model: str
    why: str


@dataclass(slots=True)
class Admission:
    """A request to be let in: the worst case it can cost. Times are milliseconds UTC, tokens are counts."""

    request_id: str
    now_ms: int
    deadline_ms: int
    key_hash: str
    wire: str
    model: str
    """As the caller named it."""
    stream: bool
    end_user: str | None
    candidates: tuple[Candidate, ...]
    price: Price
    """Of the dearest candidate, in the version in force at `now_ms`."""
    included: bool
    """Whether included tokens pay for it first: true when every candidate is a workers_ai model."""
    input_bound: int
    max_output: int
    """Upper bound of generated tokens, already within the plan's and the model's maximum."""
    max_output_asked: bool
    """False: the caller named none, so a second, smaller hold may follow when this one does not fit."""


@dataclass(slots=True)
class Principal:
    """The API key that calls."""

    key_id: str
    name: str
    role: str
    """`admin` or `inference`."""


@dataclass(slots=True)
class Held:
    """The hold that lets a request in. Fixes time, windows, price version and deadline for all that follows."""

    admission: Admission
    principal: Principal
    max_output: int
    """What the upstream may generate; smaller than asked for when the hold was clamped."""
    clamped: bool
    hold_nano_usd: int
    ratelimit: dict[str, str] = field(default_factory=dict[str, str])
    """`x-ratelimit-*` headers after this hold."""
    included_tokens: int = 0
    """How many of the request's tokens the plan's included ones pay for."""
    message_nano_usd: int = 0
    """What the message costs beyond the included ones."""
    late: bool = False
    """Whether there are holds past their deadline, which settling then expires."""
    key_unused: bool = False
    """Whether settling notes the key's use: it was not used in the last minute."""


@dataclass(slots=True)
class Attempt:
    model: str
    status: int
    """The upstream's HTTP status; 0 when there was none."""
    first_token_ms: int | None
    total_ms: int
    billed: bool
    error: str | None = None


@dataclass(slots=True)
class Outcome:
    """How a held request ended. `usage_source` is provider, estimate or hold (then `usage` is ignored)."""

    attempts: tuple[Attempt, ...]
    answered_by: str | None
    """The model whose answer is billed; None: nothing was answered, nothing is billed, the hold is released."""
    price: Price | None
    """The answering model's price in the hold's version."""
    usage: Usage
    usage_source: str
    included: bool
    """Whether the answering model's tokens come out of the included ones."""
