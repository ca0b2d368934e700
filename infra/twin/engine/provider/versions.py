"""Worker versions: modules that are named from files, sorted bindings, and finding one whose answer was lost."""

import base64
import hashlib
from pathlib import Path
from typing import Any, cast

from infra.twin.engine.provider.api import Api
from infra.twin.engine.provider.kind import Kind
from infra.twin.engine.provider.names import to_api
from infra.twin.engine.values import Secret, Unknown, Values, reveal


class InputError(Exception):
    """An input that the provider refuses before it calls anything."""


def check(inputs: Values, base: Path) -> Values:
    """Inputs as they are kept: the hash of a file beside its name, the text of bindings as secrets."""
    modules = [_check_module(module, index, base) for index, module in enumerate(_items(inputs, "modules"))]
    bindings = [_secret_text(binding) for binding in _items(inputs, "bindings")]
    return inputs | ({"modules": modules} if modules else {}) | ({"bindings": bindings} if bindings else {})


def body(kind: Kind, inputs: Values, base: Path) -> Any:
    sent = to_api({name: inputs[name] for name in kind.properties if name in inputs})
    if "bindings" in sent:
        sent["bindings"] = sorted(sent["bindings"], key=lambda binding: binding["name"])
    sent["modules"] = [_upload(module, base) for module in _items(inputs, "modules")]
    return sent


def with_hashes(answer: dict[str, Any]) -> dict[str, Any]:
    """The API's answer with the hash of each module that it gives."""
    modules: list[dict[str, Any]] = answer.get("modules") or []
    bindings: list[dict[str, Any]] = answer.get("bindings") or []
    hashed = [
        module | {"content_sha256": _hash(module["content_base64"])} if "content_base64" in module else module
        for module in modules
    ]
    return answer | {"modules": hashed, "bindings": sorted(bindings, key=lambda binding: str(binding["name"]))}


def unsettled(inputs: Values) -> list[tuple[str, None, str]]:
    """Changes that the real provider sees in every plan."""
    return [
        (f"bindings[{index}].environment", None, "production")
        for index, binding in enumerate(_items(inputs, "bindings"))
        if binding.get("type") == "service" and "environment" not in binding
    ]


def is_same(api: Api, kind: Kind, inputs: Values, listed: dict[str, Any]) -> bool:
    """Whether a listed version is what these inputs upload. Secrets are not answered, so they are not compared."""
    wanted = to_api(inputs)
    if listed.get("main_module") != wanted.get("main_module"):
        return False
    found = with_hashes(api.get(kind.item(inputs, listed["id"]), kind.read_query))
    mine = sorted((_identity(binding) for binding in wanted.get("bindings", [])), key=str)
    theirs = [_identity(binding) for binding in found["bindings"]]
    return mine == sorted(theirs, key=str) and _contents(wanted["modules"]) == _contents(found["modules"])


def _items(inputs: Values, name: str) -> list[Values]:
    items = inputs.get(name)
    if isinstance(items, Secret):
        items = items.value
    return cast("list[Values]", items) if isinstance(items, list) else []


def _check_module(module: Values, index: int, base: Path) -> Values:
    name = module.get("name")
    if "contentSha256" in module:
        raise InputError(
            "Invalid Configuration for Read-Only Attribute: "
            f"modules[{index}].contentSha256 of module {name!r} is computed. Leave it out."
        )
    file, text = module.get("contentFile"), module.get("contentBase64")
    if (file is None) == (text is None):
        raise InputError(f"modules[{index}]: module {name!r} needs contentFile or contentBase64, and only one of them.")
    if isinstance(file, str):
        return module | {"contentSha256": hashlib.sha256(_read(file, index, base)).hexdigest()}
    return module


def _secret_text(binding: Values) -> Values:
    text = binding.get("text")
    return binding if text is None or isinstance(text, (Secret, Unknown)) else binding | {"text": Secret(text)}


def _upload(module: Values, base: Path) -> Values:
    file = module.get("contentFile")
    text = base64.b64encode(_read(file, 0, base)).decode() if file is not None else reveal(module["contentBase64"])
    return {"name": module["name"], "content_type": module.get("contentType"), "content_base64": text}


def _read(file: str, index: int, base: Path) -> bytes:
    try:
        return (base / file).read_bytes()
    except OSError as error:
        raise InputError(
            f"modules[{index}].contentFile: {file!r} cannot be read ({error.strerror}). "
            f"It is looked for relative to the program's directory, {base}."
        ) from None


def _identity(binding: dict[str, Any]) -> dict[str, Any]:
    """Without its text, and without the nulls and defaults that an API may add."""
    return {key: value for key, value in binding.items() if key not in ("text", "environment") and value is not None}


def _contents(modules: list[dict[str, Any]]) -> list[tuple[str, str]]:
    hashes = [(module["name"], module.get("content_sha256") or _hash(module["content_base64"])) for module in modules]
    return sorted(hashes)


def _hash(text: str) -> str:
    return hashlib.sha256(base64.b64decode(text)).hexdigest()
