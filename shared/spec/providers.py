"""The operator's model providers, `infra/providers.yaml`: where each is and which secret opens it. Never the secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel

from shared.prices.book import ModelEntry
from shared.spec.document import Document, Path_, read_document
from shared.spec.findings import Finding, did_you_mean
from shared.spec.forms import Form, refused
from shared.spec.own_models import ModelName, OwnModel, own_models
from shared.spec.validate import validate

KINDS = Path(__file__).resolve().parents[2] / "handlers" / "inference" / "providers"
"""A kind of provider is a file there: found by listing, so that adding one touches nothing here."""
_REFERENCE = re.compile(r"secret:([a-z0-9][a-z0-9_-]{0,62})")


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    name: str
    kind: str
    base_url: str | None
    secret_name: str | None
    """NAME of `secret:NAME`; None: it takes no key."""
    models: tuple[ModelEntry, ...] = ()
    """Models that the operator adds to those of the price book."""


@dataclass(frozen=True, slots=True)
class LoadedProviders:
    providers: Mapping[str, ProviderConfig]
    findings: tuple[Finding, ...]


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
        parts = urlsplit("")
    if not sound or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise refused("is not a base URL", "Write one such as https://api.openai.com/v1.")
    if "@" in parts.netloc:
        raise refused("holds a user name or password", "Take it out, and name the key by `api_key: secret:NAME`.")
    return text.rstrip("/")


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise refused("must refer to a secret, never hold it", "Write `secret:NAME`, and set serai:secret.NAME.")
    return text


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Annotated[str, Field(max_length=60)] | None = None
    base_url: Annotated[str, AfterValidator(_url)] | None = None
    api_key: Annotated[str, AfterValidator(_reference)] | None = None
    models: dict[ModelName, OwnModel] = {}


_Name = Annotated[
    str, Form(r"[a-z0-9][a-z0-9_-]{0,31}", "is not a provider's name", "Use lower-case letters and digits.")
]


class _Providers(RootModel[dict[_Name, _Provider]]):
    pass


def load_providers(path: Path) -> LoadedProviders:
    """All providers, and all that is wrong with the file: with findings, what is sound of it, to check tenants by."""
    document = read_document(path)
    providers: dict[str, ProviderConfig] = {}
    if document.readable:
        model, faulty = validate(_Providers, document, {})
        for name, provider in model.root.items() if model else ():
            if not faulty & {(name,), (name, "kind")}:
                _check(document, name, provider, faulty)
            reference = _REFERENCE.fullmatch(provider.api_key or "")
            secret = reference.group(1) if reference else None
            models = own_models(document, name, provider.models, faulty)
            providers[name] = ProviderConfig(name, provider.kind or name, provider.base_url, secret, models)
    findings = sorted(document.findings, key=lambda finding: (finding.line, finding.column))
    return LoadedProviders(providers, tuple(findings))


def provider_kinds() -> list[str]:
    """What `kind` may be."""
    return sorted(file.stem for file in KINDS.glob("[a-z]*.py"))


def _check(document: Document, name: str, provider: _Provider, faulty: frozenset[Path_]) -> None:
    kind, kinds = provider.kind or name, provider_kinds()
    if kind not in kinds:
        path = (name,) if provider.kind is None else (name, "kind")
        remedy = did_you_mean(kind, kinds) if provider.kind else "Add `kind: openai_compatible`."
        document.add(path, "is no kind of provider", remedy, value=kind)
    elif (kind == "workers_ai") != (name == "workers_ai"):
        document.add((name,), "mixes workers_ai with another kind", "The AI binding is `workers_ai: {}`, only there.")
    elif kind == "workers_ai":
        for field, value in (("base_url", provider.base_url), ("api_key", provider.api_key)):
            if value is not None:
                document.add((name, field), "does not apply to the AI binding", "Remove it.")
    elif provider.base_url is None and (name, "base_url") not in faulty:
        document.add((name, "base_url"), "is missing", "Add the provider's URL, up to and with its version.")
