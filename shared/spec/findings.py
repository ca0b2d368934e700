"""A finding: one thing that is wrong with a file a person wrote, where it is, and what to do about it."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_SHOWN = "[not shown]"
_SECRET_FIELD = re.compile(r"(^|[._-])key$|secret|token$|passw|credential", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\bsk-|//[^/\s]*@|-----BEGIN|\bey[JK][\w-]{20,}|^[A-Za-z0-9+/_=.-]{40,}$")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Finding:
    file: str
    line: int
    """From 1; 1 too where the file as a whole is meant."""
    column: int
    """From 1."""
    field: str
    """As a path, e.g. `models.aliases.fast`; empty: the file as a whole."""
    value: str
    """What was found, shortened; empty when there is nothing to show, never a secret."""
    reason: str
    remedy: str

    def render(self) -> str:
        """One line for a terminal or a pull request."""
        field = f"{self.field}: " if self.field else ""
        found = f" (found {self.value})" if self.value else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.reason}{found}. {self.remedy}"

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)


def shown_path(path: Path) -> str:
    """Relative to the project where it lies inside, so that findings read the same from any directory."""
    absolute = path if path.is_absolute() else Path.cwd() / path
    return printable(str(absolute.relative_to(ROOT)) if absolute.is_relative_to(ROOT) else str(path), longest=500)


def shown_value(field: str, value: object) -> str:
    """A value for a finding: short, on one line, and never a secret."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    if _SECRET_FIELD.search(field) or _SECRET_VALUE.search(text):
        return NOT_SHOWN
    return f'"{printable(text)}"' if isinstance(value, str) else printable(text)


def printable(text: str, longest: int = _LONGEST) -> str:
    """Without control characters, line breaks and lone surrogates, and not longer than a line can hold."""
    short = text if len(text) <= longest else text[: longest - 3] + "..."
    safe = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in short)
    return safe.encode("utf-8", "backslashreplace").decode()


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The nearest of the options as a remedy; all of them when none is near."""
    choices = sorted(options)
    near = difflib.get_close_matches(word[:100], choices, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    return f"It may be: {', '.join(choices)}." if choices else "There is nothing it may be."
