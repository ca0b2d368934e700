"""What a run of the engine can fail with. Each message is written for the person at the terminal."""

from dataclasses import dataclass


class EngineError(Exception):
    """A run failed. What was done is in the journal; the next run goes on from there."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        """More for a bug report: a traceback, or every failure of the run."""


class ProgramError(EngineError):
    """The Pulumi program raised: its message and where, the traceback in `detail`."""


class JournalError(EngineError):
    """A stack's journal cannot be read."""


class DamagedJournalError(JournalError):
    """What the file holds is no journal any more: it has to be moved away."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a stack's lock."""

    pid: int
    host: str
    command: str
    since: str
    """ISO 8601, UTC."""


class LockedError(EngineError):
    """Another run holds the stack."""

    def __init__(self, stack: str, owner: Owner) -> None:
        self.stack = stack
        self.owner = owner
        super().__init__(
            f"Stack {stack} is locked by `{owner.command}` (process {owner.pid} on {owner.host}, since {owner.since}). "
            "Wait for it, or end it."
        )
