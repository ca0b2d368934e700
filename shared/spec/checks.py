"""What the model cannot say by itself: the spec against its plan, the price book, the providers and the zones."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, digits

from shared.prices.book import PriceBook
from shared.spec.document import Document, Path_
from shared.spec.findings import did_you_mean
from shared.spec.model import TenantSpec
from shared.spec.plans import Plan
from shared.spec.providers import ProviderConfig

PRICES = "infra/providers.yaml"
RESERVED_ALIASES = ("default", "auto")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a spec is checked against."""

    plans: Mapping[str, Plan]
    book: PriceBook
    providers: Mapping[str, ProviderConfig]
    zones: Sequence[str]
    placement_required: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One spec under check. `faulty` paths are reported already and hold placeholders."""

    document: Document
    spec: TenantSpec
    faulty: frozenset[Path_]
    around: Surroundings

    def run(self) -> None:
        self._placement()
        self._trial()
        self._keys()
        self._models()
        self._domains()
        if ("plan",) not in self.faulty:
            self._limits(self.around.plans[self.spec.plan])

    def _add(self, path: Path_, reason: str, remedy: str, value: object = None) -> None:
        if path not in self.faulty:
            self.document.add(path, reason, remedy, value=value)

    def _placement(self) -> None:
        if not self.around.placement_required:
            return
        if self.spec.id is None:
            self._add(("id",), "is missing", f"Add the line `id: {new_id()}` and never change it.")
        if self.spec.cell is None:
            self._add(("cell",), "is missing", "Add the line `cell: cell-1`, or another cell that it is to live in.")

    def _trial(self) -> None:
        if self.spec.plan == "trial":
            if self.spec.trial_ends is None and self.around.placement_required:
                days = self.around.plans["trial"].days
                self._add(("trial_ends",), "is missing", f"Add its last day, {days} days from now: `trial_ends: ...`.")
        elif self.spec.trial_ends is not None and ("plan",) not in self.faulty:
            self._add(("trial_ends",), f"does not apply to plan {self.spec.plan}", "Remove it.", self.spec.trial_ends)

    def _keys(self) -> None:
        if self.spec.keys.epoch > 1 and self.spec.keys.rotated_at is None:
            self._add(("keys", "rotated_at"), "is missing", "Write when the epoch was raised: 2026-11-24T10:00:00Z.")

    def _models(self) -> None:
        models = self.spec.models
        for index, pattern in enumerate(models.allow or ()):
            self._served(("models", "allow", index), pattern)
        allow_is_sound = not any(path[:2] == ("models", "allow") for path in self.faulty)
        for path, model in self._named():
            if path in self.faulty or not self._served(path, model):
                continue
            if allow_is_sound and not covered(model, models.allowed):
                self._add(path, "is not among models.allow", f"Add {model} to models.allow.", model)
            elif self.spec.plan == "trial" and not model.startswith("workers_ai/"):
                self._add(path, "costs money, which plan trial has none of", "Name a workers_ai model.", model)
        for name in models.aliases:
            if name in RESERVED_ALIASES:
                self._add(("models", "aliases", name), "is a name that Serai gives a meaning", "Choose another alias.")

    def _named(self) -> Iterator[tuple[Path_, str]]:
        yield ("models", "default"), self.spec.models.default
        for name, model in self.spec.models.aliases.items():
            yield ("models", "aliases", name), model

    def _served(self, path: Path_, pattern: str) -> bool:
        """Whether a provider is configured and a price is known for a model or pattern."""
        if path in self.faulty:
            return False
        provider, _, model = pattern.partition("/")
        known = self.around.book.models()
        if not self.around.providers:
            return False  # their file has faults of its own, and is reported
        if provider not in self.around.providers:
            remedy = did_you_mean(provider, self.around.providers)
            self._add(path, f"names a provider that is not configured: {provider}", remedy, pattern)
            return False
        of_provider = [name for name in known if name.startswith(f"{provider}/")]
        if model == "*" and not of_provider:
            remedy = f"Name some under `models` in {PRICES}."
            self._add(path, "matches no model: the price book has none of this provider", remedy, pattern)
            return False
        if model != "*" and pattern not in known:
            remedy = did_you_mean(pattern, of_provider) if of_provider else f"Add it under `models` in {PRICES}."
            self._add(path, "is not in the price book", remedy, pattern)
            return False
        return True

    def _domains(self) -> None:
        zones = tuple(self.around.zones)
        for index, domain in enumerate(self.spec.domains):
            path: Path_ = ("domains", index)
            if not any(domain == zone or domain.endswith(f".{zone}") for zone in zones):
                where = f"Choose one in {', '.join(zones)}." if zones else "The account has no zones: remove it."
                self._add(path, "is in no zone of the account, which is not supported yet", where, domain)
            elif any(domain in (f"api.{zone}", f"control.{zone}") for zone in zones):
                self._add(path, "is a hostname that Serai itself uses", "Choose another one.", domain)

    def _limits(self, plan: Plan) -> None:
        limits = self.spec.limits
        caps = (
            ("spend_usd_per_month", limits.spend_usd_per_month, plan.most_spend_usd),
            ("requests_per_minute", limits.requests_per_minute, plan.requests_per_minute),
            ("tokens_per_minute", limits.tokens_per_minute, plan.tokens_per_minute),
            ("concurrent_streams", limits.concurrent_streams, plan.concurrent_streams),
        )
        for name, asked, most in caps:
            self._within(("limits", name), asked, most, f"plan {self.spec.plan} allows")
        if len(self.spec.domains) > plan.domains:
            most = f"Plan {self.spec.plan} has {plan.domains}: remove some, or choose a larger plan."
            self._add(("domains",), f"are more than the plan allows: {len(self.spec.domains)}", most)
        days = self.spec.retention.metadata_days
        self._within(("retention", "metadata_days"), days, plan.log_days, f"plan {self.spec.plan} allows")
        self._end_users(plan)

    def _end_users(self, plan: Plan) -> None:
        limits, each = self.spec.limits, self.spec.limits.per_end_user
        if each is None:
            return
        spend = plan.spend_usd if limits.spend_usd_per_month is None else limits.spend_usd_per_month
        requests = limits.requests_per_minute or plan.requests_per_minute
        path = ("limits", "per_end_user")
        self._within((*path, "spend_usd_per_month"), each.spend_usd_per_month, spend, "the tenant itself has")
        self._within((*path, "requests_per_minute"), each.requests_per_minute, requests, "the tenant itself has")

    def _within(self, path: Path_, asked: float | None, most: float, whose: str) -> None:
        if asked is not None and asked > most:
            self._add(path, f"is more than the {most:.10g} that {whose}", f"Lower it to {most:.10g} or less.", asked)


def new_id() -> str:
    """A tenant's identity, at random. It starts with a letter: `7e1234` would be a number in YAML."""
    return secrets.choice(ascii_lowercase) + "".join(secrets.choice(ascii_lowercase + digits) for _ in range(5))


def covered(model: str, patterns: Sequence[str]) -> bool:
    """Whether `provider/model` is among patterns of the forms `provider/model` and `provider/*`."""
    return model in patterns or f"{model.partition('/')[0]}/*" in patterns
