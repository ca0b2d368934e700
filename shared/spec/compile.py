"""Specs -> the data modules of Worker versions: `tenants.json` of a cell, `directory.json` of the control Worker.

Deterministic: the same specs give the same bytes, in whatever order they come, so that a plan shows no change.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from shared.keys import derive_admin_key, hash_key
from shared.prices.portable import to_json
from shared.spec.compiled import FORMAT, AdminKeyHash, EndUserLimits, Limits, Provider, Tenant
from shared.spec.load import LoadedTenant
from shared.spec.model import TenantSpec
from shared.spec.plans import Plan, nano_usd
from shared.spec.providers import ProviderConfig


def compile_tenants(  # noqa: PLR0917 - a document has as many parts as it has
    cell: str,
    api_host: str,
    specs: Sequence[LoadedTenant],
    plans: Mapping[str, Plan],
    providers: Sequence[ProviderConfig],
    available: Mapping[str, bool],
    remedies: Mapping[str, str],
    admin_keys: Mapping[str, tuple[AdminKeyHash, ...]],
) -> bytes:
    """`tenants.json` of one cell, read by `compiled.read_tenants`.

    `available` and `remedies` are by provider, `admin_keys` by tenant. A provider is available unless said otherwise.
    """
    tenants = [_tenant(loaded, plans[loaded.spec.plan], admin_keys[loaded.name]) for loaded in specs]
    compiled = [_provider(provider, available, remedies) for provider in providers]
    return _document(
        {
            "format": FORMAT,
            "cell": cell,
            "api_host": api_host,
            "providers": {provider.name: _provider_fields(provider) for provider in compiled},
            "tenants": [asdict(tenant) for tenant in sorted(tenants, key=lambda tenant: tenant.name)],
        }
    )


def compile_directory(specs: Sequence[LoadedTenant], api_hosts: Mapping[str, str]) -> bytes:
    """`directory.json`: which tenant lives where. `api_hosts`: cell -> its `api.<zone>`."""
    tenants = [_entry(loaded, api_hosts[loaded.cell]) for loaded in sorted(specs, key=lambda loaded: loaded.name)]
    return _document({"format": FORMAT, "api_host": dict(api_hosts), "tenants": tenants})


def admin_key_hashes(loaded: LoadedTenant, platform_secret: str, pepper: str) -> tuple[AdminKeyHash, ...]:
    """Of the tenant's admin key, and of the one before it as long as the two overlap; newest first."""
    keys = loaded.spec.keys

    def hashed(epoch: int, expires_at: str | None) -> AdminKeyHash:
        key = derive_admin_key(platform_secret, loaded.name, loaded.id, epoch)
        return AdminKeyHash(epoch, hash_key(pepper, key), expires_at)

    current = hashed(keys.epoch, None)
    if keys.epoch == 1 or keys.overlap_hours == 0 or keys.rotated_at is None:
        return (current,)
    return current, hashed(keys.epoch - 1, _rfc3339(keys.rotated_at + timedelta(hours=keys.overlap_hours)))


def database_binding(tenant: str) -> str:
    """The D1 binding of a tenant: `DB_ACME`."""
    return f"DB_{tenant.upper().replace('-', '_')}"


def _tenant(loaded: LoadedTenant, plan: Plan, admin_keys: tuple[AdminKeyHash, ...]) -> Tenant:
    spec = loaded.spec
    return Tenant(
        name=loaded.name,
        id=loaded.id,
        plan=spec.plan,
        display_name=spec.display_name or loaded.name,
        state=spec.state,
        binding=database_binding(loaded.name),
        hostnames=tuple(sorted(spec.domains)),
        trial_ends=spec.trial_ends.isoformat() if spec.trial_ends else None,
        admin_keys=admin_keys,
        default=spec.models.default,
        allow=spec.models.allowed,
        aliases=dict(spec.models.aliases),
        limits=_limits(spec, plan),
        metadata_days=spec.retention.metadata_days or plan.log_days,
    )


def _limits(spec: TenantSpec, plan: Plan) -> Limits:
    """The plan's, as the spec lowered them; the spend by default below the plan's most."""
    own, each = spec.limits, spec.limits.per_end_user
    spend = plan.spend_usd if own.spend_usd_per_month is None else own.spend_usd_per_month
    return Limits(
        spend_nano_usd_per_month=nano_usd(spend),
        requests_per_minute=own.requests_per_minute or plan.requests_per_minute,
        tokens_per_minute=own.tokens_per_minute or plan.tokens_per_minute,
        concurrent_streams=own.concurrent_streams or plan.concurrent_streams,
        max_output_tokens=plan.max_output_tokens,
        max_keys=plan.keys,
        included_messages=plan.included_messages,
        included_tokens=plan.included_tokens,
        included_window=plan.included_window,
        message_nano_usd=None if plan.message_usd is None else nano_usd(plan.message_usd),
        tokens_beyond_included=plan.sells_beyond_included,
        markup_percent=0,
        per_end_user=each
        and EndUserLimits(
            spend_nano_usd_per_month=None if each.spend_usd_per_month is None else nano_usd(each.spend_usd_per_month),
            requests_per_minute=each.requests_per_minute,
        ),
    )


def _provider(config: ProviderConfig, available: Mapping[str, bool], remedies: Mapping[str, str]) -> Provider:
    usable = available.get(config.name, True)
    return Provider(
        name=config.name,
        kind=config.kind,
        base_url=config.base_url,
        available=usable,
        remedy=None if usable else remedies.get(config.name),
        key_required=config.secret_name is not None,
        models=config.models,
    )


def _entry(loaded: LoadedTenant, api_host: str) -> dict[str, object]:
    domains = sorted(loaded.spec.domains)
    return {
        "name": loaded.name,
        "id": loaded.id,
        "plan": loaded.spec.plan,
        "cell": loaded.cell,
        "state": loaded.spec.state,
        "endpoint": f"https://{api_host}/{loaded.name}",
        "hostnames": domains,
        # Domains lie in zones of the account, so a custom domain serves them as soon as it exists.
        "domains": [{"name": domain, "status": "active"} for domain in domains],
    }


def _rfc3339(moment: datetime) -> str:
    """Moments of a spec are in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _provider_fields(provider: Provider) -> dict[str, object]:
    fields = asdict(provider)
    del fields["name"]
    return {**fields, "models": [to_json(model) for model in provider.models]}


def _document(content: dict[str, object]) -> bytes:
    return (json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode()
