"""The tenant spec: what `tenants/<name>.yaml` may say. What no code honours yet is refused in `later.py`, not here.

The docstrings of fields become the descriptions in docs/tenant.schema.json, which editors show.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.spec.forms import Alias, Cell, Count, Day, DisplayName, Domain, Email, Id, Model, Moment, Pattern, Usd

RESERVED_NAMES = frozenset({"api", "control", "client", "console", "health", "static", "v1", "www"})
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]")
"""A tenant's name: a DNS label of 2-32 characters."""


class Section(BaseModel):
    """A mapping of the spec: no unknown fields, no conversions, no changes later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Keys(Section):
    """The admin key."""

    epoch: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Raise it by one to rotate the admin key."""
    rotated_at: Moment | None = None
    """When the epoch was raised; needed from epoch 2 on."""
    overlap_hours: Annotated[int, Field(ge=0, le=720)] = 24
    """How long after `rotated_at` the key before stays valid; 0 ends it at once."""


class Models(Section):
    """Which models the tenant's callers may use, and under which names."""

    default: Model = "workers_ai/gpt-oss-20b"
    """What `default` means in a request."""
    allow: Annotated[list[Pattern] | None, Field(min_length=1, max_length=100)] = None
    """Models that requests may name: `provider/model` or `provider/*`. Left out: all of workers_ai, or `default`."""
    aliases: Annotated[dict[Alias, Model], Field(max_length=100)] = {}
    """Names of the tenant's own for models."""

    @property
    def allowed(self) -> tuple[str, ...]:
        if self.allow is not None:
            return tuple(self.allow)
        return ("workers_ai/*",) if self.default.startswith("workers_ai/") else (self.default,)


class PerEndUser(Section):
    """Limits of each end user (`x-serai-end-user`, or the field of the wire)."""

    spend_usd_per_month: Usd | None = None
    """Most that one end user's requests may cost in a calendar month."""
    requests_per_minute: Count | None = None
    """Most requests of one end user a minute."""


class SpecLimits(Section):
    """Limits that lower the plan's."""

    spend_usd_per_month: Usd | None = None
    """Most that requests may cost in a calendar month, without the plan's fee. At most the plan's most."""
    requests_per_minute: Count | None = None
    """Most requests a minute."""
    tokens_per_minute: Count | None = None
    """Most tokens a minute, read and generated."""
    concurrent_streams: Count | None = None
    """Most requests under way at once."""
    per_end_user: PerEndUser | None = None


class Retention(Section):
    """What is kept, and for how long."""

    content: Literal["none"] = "none"
    """Bodies of requests and answers."""
    metadata_days: Annotated[int, Field(ge=1, le=90)] | None = None
    """Days for which the request log is kept; the plan's, when left out."""


class TenantSpec(Section):
    """A tenant of Serai. The file's name, without .yaml, is the tenant's name."""

    model_config = ConfigDict(title="Tenant spec")

    plan: Literal["trial", "starter", "pro", "business"]
    """The subscription: fee, what is included, limits."""
    display_name: DisplayName | None = None
    """The tenant's name for people."""
    contact: Email
    """Who is told of limits, expiry and incidents."""
    id: Id | None = None
    """Random, written once and never changed: the tenant's identity, whatever its name."""
    cell: Cell | None = None
    """Where the tenant lives."""
    state: Literal["active", "suspended"] = "active"
    """`suspended`: every request is refused, nothing is removed."""
    trial_ends: Day | None = None
    """Last day of a trial, UTC. Plan trial only."""
    domains: Annotated[list[Domain], Field(max_length=100)] = []
    """Hostnames of the tenant's own, in zones of the account."""
    keys: Keys = Keys()
    models: Models = Models()
    limits: SpecLimits = SpecLimits()
    retention: Retention = Retention()
