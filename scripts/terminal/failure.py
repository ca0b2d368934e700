"""How a command ends when it does not succeed: a sentence, a remedy, an exit code."""

import sys

import click

FAILED, USAGE, GUARD_RAIL, LOCKED, ROLLED_BACK = 1, 2, 3, 4, 5


class CommandError(Exception):
    """Ends the command: `message` says what is wrong, `remedy` what to do about it."""

    def __init__(self, message: str, *, remedy: str | None = None, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_code = exit_code

    def show(self) -> None:
        click.echo(f"serai: {self.message}", err=True)
        if self.remedy:
            click.echo(f"  {self.remedy}", err=True)

    def __str__(self) -> str:
        return self.message


def describe(error: Exception) -> CommandError | None:
    """The CommandError that a known error of a lower layer amounts to. Looks only at modules already loaded."""
    for module_name, class_name, exit_code in _KNOWN:
        module = sys.modules.get(module_name)
        known = getattr(module, class_name, None) if module else None
        if known is not None and isinstance(error, known):
            return CommandError(str(error), exit_code=exit_code)
    return None


_KNOWN = (
    ("infra.twin.engine", "LockedError", LOCKED),
    ("infra.twin.engine", "EngineError", FAILED),
    ("infra.twin.engine", "ProgramError", FAILED),
    ("infra.twin.state", "StateError", FAILED),
    ("infra.twin.account.account", "AccountError", FAILED),
    ("infra.twin.edge.source", "EdgeError", FAILED),
    ("infra.deploy", "AccountApiError", FAILED),
    ("infra.specs", "SpecError", USAGE),
    ("infra.placement", "PlacementError", USAGE),
    ("infra.config", "ConfigError", USAGE),
)
