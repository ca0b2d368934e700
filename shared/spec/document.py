"""One YAML file as plain data with the place of every value, or findings. Nothing a file holds can raise or explode.

Stricter than YAML: no anchors, aliases, tags or second documents (a small file could expand to gigabytes, or build
objects), no duplicate keys, and scalars as in YAML 1.2's core schema, which is what editors check: `yes` and
`2026-11-24` are text, `010` is ten.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from shared.spec.findings import Finding, printable, shown_path, shown_value

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_FINDINGS = 50
"""Of one file. Whoever has more starts with these."""

Path_ = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_LITERALS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TAB_INDENT = re.compile(r"^ *\t", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Position:
    line: int
    column: int
    text: str | None = None
    """A scalar as it is written."""


@dataclass(slots=True)
class Document:
    """The content of a file and what was found wrong with it so far."""

    file: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    positions: dict[Path_, Position] = field(default_factory=dict[Path_, Position])
    """Of keys where there is one, else of the value."""
    findings: list[Finding] = field(default_factory=list[Finding])
    readable: bool = False
    """Whether `data` is what the file says."""

    def add(self, path: Path_, reason: str, remedy: str, *, value: object = None, at: Position | None = None) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            return
        name = field_name(path)
        place = at or self.position(path)
        shown = shown_value(name, value)
        self.findings.append(Finding(self.file, place.line, place.column, name, shown, reason, remedy))

    def position(self, path: Path_) -> Position:
        """Where a field is, or the nearest thing around it that the file has."""
        while path:
            if path in self.positions:
                return self.positions[path]
            path = path[:-1]
        return Position(1, 1)


def field_name(path: Path_) -> str:
    """`("models", "allow", 0)` -> `models.allow[0]`"""
    parts = [f"[{part}]" if isinstance(part, int) else f".{printable(part, 60)}" for part in path]
    return "".join(parts).removeprefix(".")


def read_document(path: Path, *, inside: Path | None = None) -> Document:
    """Read a YAML mapping. `inside`: the folder that the file, symbolic links followed, must lie in."""
    document = Document(shown_path(path))
    content = _read(path, inside, document)
    text = None if content is None else _decode(content, document)
    if text is not None:
        _parse(text, document)
    return document


def _read(path: Path, inside: Path | None, document: Document) -> bytes | None:
    try:
        if inside is not None and not path.resolve(strict=True).is_relative_to(inside.resolve(strict=True)):
            document.add((), "is a symbolic link that leaves its folder", "Put the file itself here.")
            return None
        content = _content(path)
    except _NotRegularError:
        document.add((), "is not a regular file", "Replace it by a text file, or rename it.")
        return None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, before Python 3.13
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        document.add((), f"cannot be read: {printable(why)}", "Check that it exists and that you may read it.")
        return None
    if len(content) > MAX_BYTES:
        document.add((), f"is larger than {MAX_BYTES // 1024} KB", "Such a file takes a few lines; see the examples.")
        return None
    return content


class _NotRegularError(Exception):
    pass


def _content(path: Path) -> bytes:
    """At most one byte more than a file may have, however large it is or grows."""
    # Without blocking: opening a named pipe would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _NotRegularError
        content = b""
        while len(content) <= MAX_BYTES and (piece := os.read(descriptor, MAX_BYTES + 1 - len(content))):
            content += piece
        return content
    finally:
        os.close(descriptor)


def _decode(content: bytes, document: Document) -> str | None:
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        document.add((), "starts with a byte order mark", "Save it as UTF-8 without BOM.")
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        document.add((), "is not UTF-8 text", "Save it as UTF-8.", at=_offset(before, len(before)))
        return None
    for pattern, reason, remedy in (
        (_CONTROL, "contains a control character", "Remove it."),
        (_TAB_INDENT, "is indented with a tab, which YAML does not allow", "Indent with spaces."),
    ):
        if found := pattern.search(text):
            document.add((), reason, remedy, at=_offset(text, found.end() - 1))
            return None
    return text


def _offset(text: str, index: int) -> Position:
    start = text.rfind("\n", 0, index) + 1
    return Position(text.count("\n", 0, index) + 1, index - start + 1)


def _parse(text: str, document: Document) -> None:
    loader: Any = None
    try:
        loader = _Loader(text)
        _Builder(document, _events(loader)).build()
    except _Refused:
        return
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        what = printable(error.problem or error.context or "cannot be understood", 200)
        document.add((), f"is not valid YAML: {what}", "Correct this line, or the one before it.", at=at)
    except yaml.YAMLError as error:
        document.add((), f"is not valid YAML: {printable(str(error), 200)}", "Save it as plain UTF-8 text.")
    finally:
        if loader is not None:
            loader.dispose()


def _events(loader: Any) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


class _Refused(Exception):  # noqa: N818 - not an error: the finding is in the document already
    """The rest of the file is not worth reading."""


class _Builder:
    """Plain data out of YAML's events. The depth is bounded, so recursion is too."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def build(self) -> None:
        event = self._next()
        while not isinstance(event, yaml.DocumentStartEvent):
            if isinstance(event, yaml.StreamEndEvent):
                self._refuse_empty()
            event = self._next()
        value = self._value(self._next(), ())
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse((), "holds more than one document", "Remove the line `---` and what follows.", after)
        if value is None:
            self._refuse_empty()
        if not isinstance(value, dict):
            self._document.add((), "must be a mapping of fields", "Write lines of the form `field: value`.")
            return
        self._document.data = value
        self._document.readable = True

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: Path_) -> Any:
        self._check_plain(event, path)
        if len(path) > MAX_DEPTH:
            self._refuse(path[:MAX_DEPTH], "is nested too deeply", "No field is that deep.", event)
        if isinstance(event, yaml.ScalarEvent):
            text = str(event.value)
            self._document.positions.setdefault(path, _position(event, text))
            return _scalar(text) if event.implicit[0] else text
        self._document.positions.setdefault(path, _position(event))
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _check_plain(self, event: Any, path: Path_) -> None:
        if event.anchor is not None:  # an alias carries its anchor's name
            self._refuse(path, "uses a YAML anchor or alias", "Write the value out.", event)
        if event.tag is not None:
            self._refuse(path, "uses a YAML tag", "Remove the word that starts with `!`.", event)

    def _sequence(self, path: Path_) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path_) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            self._check_plain(event, path)
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(path, "has a field whose name is not plain text", "Name fields by plain words.", event)
            name, place = str(event.value), (*path, str(event.value))
            value_event = self._next()
            if name in fields:
                reason = f"is given twice, first in line {self._document.position(place).line}"
                self._document.add(place, reason, "Remove one of the two.", at=_position(event))
                self._value(value_event, (*place, 0))  # for its faults; the first one counts
                continue
            self._document.positions[place] = _position(event, str(getattr(value_event, "value", "")))
            if (value := self._value(value_event, place)) is None:
                self._document.add(place, "has no value", "Give it one, or remove the line.")
            else:
                fields[name] = value
        return fields

    def _refuse_empty(self) -> None:
        self._document.add((), "is empty", "Write its fields, or remove the file.")
        raise _Refused

    def _refuse(self, path: Path_, reason: str, remedy: str, event: Any) -> None:
        self._document.add(path, reason, remedy, at=_position(event))
        raise _Refused


def _position(event: Any, text: str | None = None) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1, text)


def _scalar(text: str) -> Any:
    if text in _LITERALS:
        return _LITERALS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if len(text) < 40 and _NUMBER.fullmatch(text):
        return float(text)
    return text
