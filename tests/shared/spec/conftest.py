"""Tenant files in a folder of their own, loaded with the shipped price book and providers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from shared.prices.book import load_book
from shared.spec.load import Loaded, load_tenants
from shared.spec.providers import ProviderConfig

PROVIDERS = {
    "workers_ai": ProviderConfig("workers_ai", "workers_ai", None, None),
    "openai": ProviderConfig("openai", "openai", "https://api.openai.com/v1", "openai"),
    "anthropic": ProviderConfig("anthropic", "anthropic", "https://api.anthropic.com", "anthropic"),
    "groq": ProviderConfig("groq", "openai_compatible", "https://api.groq.com/openai/v1", "groq"),
}
ZONES = ("serai.example", "initech.example")


@pytest.fixture(scope="session")
def load_folders() -> Callable[..., Loaded]:
    """`load_folders([folder], placement_required=False)`"""

    def load(folders: Sequence[Path], *, placement_required: bool = False) -> Loaded:
        return load_tenants(
            folders, book=load_book(), providers=PROVIDERS, zones=ZONES, placement_required=placement_required
        )

    return load


@pytest.fixture
def load(tmp_path: Path, load_folders: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """`load({"acme": text or bytes}, placement_required=False)`: write the files, load their folder."""

    def write_and_load(files: dict[str, str | bytes], *, placement_required: bool = False) -> Loaded:
        folder = tmp_path / "tenants"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / f"{name}.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
        return load_folders([folder], placement_required=placement_required)

    return write_and_load
