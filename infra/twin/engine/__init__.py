"""The embedded engine. Nothing here imports Pulumi's SDK before a run needs it: that takes seconds."""

from infra.twin.engine.engine import Engine, warm
from infra.twin.engine.errors import (
    DamagedJournalError,
    EngineError,
    JournalError,
    LockedError,
    Owner,
    ProgramError,
)
from infra.twin.engine.results import (
    SECRET,
    UNKNOWN,
    ApiEndpoint,
    Config,
    EngineEvent,
    PropertyChange,
    ResourceState,
    Result,
    Step,
)

__all__ = [
    "SECRET",
    "UNKNOWN",
    "ApiEndpoint",
    "Config",
    "DamagedJournalError",
    "Engine",
    "EngineError",
    "EngineEvent",
    "JournalError",
    "LockedError",
    "Owner",
    "ProgramError",
    "PropertyChange",
    "ResourceState",
    "Result",
    "Step",
    "warm",
]
