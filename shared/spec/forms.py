"""Forms of single values in files that people write: a pattern, and words for whoever missed it."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

LONGEST = 253


def refused(reason: str, remedy: str) -> PydanticCustomError:
    """A finding from inside a validator: what is wrong, what to do."""
    return PydanticCustomError("refused", "{reason}", {"reason": reason, "remedy": remedy})


class Form:
    """Marks `Annotated[str, Form(...)]`: text that matches a pattern as a whole, here and in the JSON Schema."""

    def __init__(self, pattern: str, reason: str, remedy: str) -> None:
        self._pattern = re.compile(pattern)
        self._reason = reason
        self._remedy = remedy

    def _check(self, text: str) -> str:
        if len(text) > LONGEST or not self._pattern.fullmatch(text):
            raise refused(self._reason, self._remedy)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self._pattern.pattern})$"}


def _parsed(parse: Callable[[str], Any], remedy: str) -> BeforeValidator:
    def read(value: object) -> Any:
        if isinstance(value, str):
            try:
                return parse(value)
            except (ValueError, OverflowError):
                pass
        raise refused("is not a date", remedy)

    return BeforeValidator(read)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 2000 <= moment.year < 2200:  # room to add hours to it
        raise ValueError
    return moment.astimezone(UTC)


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError
    return date.fromisoformat(text)


def _printable(text: str) -> str:
    if not text.strip() or len(text) > 80 or not text.isprintable():
        raise refused("is not 1 to 80 printable characters on one line", "Write a short name.")
    return text


_MODEL = r"[a-z0-9][a-z0-9_-]*/[A-Za-z0-9@][A-Za-z0-9@._:/-]*"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

Model = Annotated[str, Form(_MODEL, "is not a model name", "Write `provider/model`, such as workers_ai/gpt-oss-20b.")]
Pattern = Annotated[
    str,
    Form(
        rf"{_MODEL}|[a-z0-9][a-z0-9_-]*/\*",
        "is not a model pattern",
        "Write `provider/model`, or `provider/*` for all models of a provider.",
    ),
]
Alias = Annotated[
    str,
    Form(
        r"[a-z0-9][a-z0-9._-]{0,63}",
        "is not an alias",
        "Use up to 64 lower-case letters, digits, dots, hyphens and underscores, and no slash.",
    ),
]
Domain = Annotated[
    str,
    Form(
        rf"({_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]",
        "is not a domain name",
        "Write a lower-case hostname such as ai.initech.example.",
    ),
]
Email = Annotated[
    str,
    Form(r"[^@\s]+@[^@\s]+\.[^@\s.]+", "is not an e-mail address", "Write an address such as ops@initech.example."),
]
Id = Annotated[
    str, Form(r"[a-z0-9]{6,16}", "is not an id", "Use 6 to 16 lower-case letters and digits, drawn at random.")
]
Cell = Annotated[str, Form(r"cell-[1-9][0-9]{0,3}", "is not a cell", "Write a cell such as cell-1.")]
DisplayName = Annotated[str, AfterValidator(_printable)]
Day = Annotated[date, _parsed(_day, "Write it as 2026-12-24.")]
Moment = Annotated[datetime, _parsed(_moment, "Write it as 2026-11-24T10:00:00Z, with its time zone.")]
Usd = Annotated[float, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
