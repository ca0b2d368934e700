"""Tenant files that change from round to round, and what is to be in the account because of it."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from infra.names import CONTROL_DATABASE, tenant_database

NAMES = ("acme", "globex", "initech", "umbrella", "far-away")
CELLS = {"far-away": "cell-2"}
ZONE = "serai.example"


@dataclass
class TenantFiles:
    """A folder, and the tenants that were ever in it."""

    folder: Path
    chance: random.Random
    present: dict[str, str] = field(default_factory=dict[str, str])
    removed: dict[str, str] = field(default_factory=dict[str, str])
    provisioned: set[str] = field(default_factory=set[str])
    """Database names of tenants that a good run has had."""
    tried: set[str] = field(default_factory=set[str])
    """And of those that only a killed run may have had."""
    serial: int = 0

    def begin(self) -> None:
        self.folder.mkdir(parents=True)
        for name in self.chance.sample(NAMES, 3):
            self._write(name)
        self._note_tried()

    def change(self) -> str:
        """One or two changes; what was done, in words."""
        done = [self._change() for _ in range(self.chance.choice((1, 1, 2)))]
        self._note_tried()
        return ", ".join(done)

    def succeeded(self) -> None:
        self.provisioned |= {self.database(name) for name in self.present}

    def kept(self) -> set[str]:
        """Databases of removed tenants that must be there."""
        return self.provisioned - {self.database(name) for name in self.present}

    def active(self) -> list[str]:
        return [name for name, text in self.present.items() if "suspended" not in text]

    @staticmethod
    def database(name: str) -> str:
        return tenant_database(name, _identity(name))

    def expected(self) -> set[str]:
        return {CONTROL_DATABASE, *self.provisioned}

    def _change(self) -> str:
        absent = [name for name in NAMES if name not in self.present]
        kinds = ["edit", *(["add"] if absent else []), *(["remove"] if len(self.present) > 1 else [])]
        kind = self.chance.choice(kinds)
        if kind == "add":
            name = self.chance.choice(absent)
            if name in self.removed and self.chance.random() < 0.7:
                self._save(name, self.removed.pop(name))
                return f"restore {name}"
            self.removed.pop(name, None)
            self._write(name)
            return f"add {name}"
        name = self.chance.choice(sorted(self.present))
        if kind == "remove":
            self.removed[name] = self.present.pop(name)
            (self.folder / f"{name}.yaml").unlink()
            return f"remove {name}"
        self._write(name)
        return f"edit {name}"

    def _write(self, name: str) -> None:
        """With another limit each time, now and then with a domain, or suspended."""
        self.serial += 1
        lines = [
            "plan: business",
            f"contact: ops@{name}.example",
            f"id: {_identity(name)}",
            f"cell: {CELLS.get(name, 'cell-1')}",
            f"limits: {{requests_per_minute: {100 + self.serial % 1000}}}",
        ]
        if self.chance.random() < 0.5:
            hosts = self.chance.sample(("ai", "bot", "help"), self.chance.choice((1, 2)))
            lines.append(f"domains: [{', '.join(f'{host}.{name}.{ZONE}' for host in hosts)}]")
        if self.chance.random() < 0.2:
            lines.append("state: suspended")
        self._save(name, "\n".join(lines) + "\n")

    def _save(self, name: str, text: str) -> None:
        self.present[name] = text
        (self.folder / f"{name}.yaml").write_text(text)

    def _note_tried(self) -> None:
        self.tried |= {self.database(name) for name in self.present}


def _identity(name: str) -> str:
    return f"{name.replace('-', '')}123"
