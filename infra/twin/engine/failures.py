"""A step that failed, told to the person who ran it."""

from infra.twin.engine.errors import EngineError
from infra.twin.engine.provider.api import UNSENT, RefusedError, StoppedError, UnsureError
from infra.twin.engine.provider.versions import InputError

_REMEDIES = {
    7502: "The account has a database of that name. To take it over, adopt it: `serai up` looks it up by itself, "
    "the real CLI takes `serai:adopt`.",
    10000: "Check the API token and the account id.",
    9109: "Check the API token.",
    6003: "Check the API token.",
}


def failure(name: str, kind: str, error: Exception) -> EngineError:
    """One sentence with the resource, what the API said, and what to do where that is known."""
    short = kind.rsplit(":", 1)[-1]
    if isinstance(error, RefusedError):
        said = f"Cloudflare's API refused it with {error}" if error.status != UNSENT else str(error).capitalize()
        remedy = _REMEDIES.get(error.code or 0) or (
            "Is the API up?" if error.status == UNSENT else "Repair that and run it again: it goes on from here."
        )
    elif isinstance(error, UnsureError):
        said = f"Cloudflare's API did not tell the outcome: {error}"
        remedy = "Run it again: what was made is looked up first."
    elif isinstance(error, StoppedError):
        said, remedy = "it was not finished, since the run was ended", "Run it again: it goes on from here."
    elif isinstance(error, InputError):
        said, remedy = str(error), ""
    else:
        said, remedy = f"{type(error).__name__}: {error}", ""
    return EngineError(f"{name} ({short}): {said.removesuffix('.')}.{' ' if remedy else ''}{remedy}")


def together(failures: list[EngineError]) -> EngineError:
    """All failures of a run as one."""
    if len(failures) == 1:
        return failures[0]
    return EngineError("\n".join(failure.message for failure in failures))
