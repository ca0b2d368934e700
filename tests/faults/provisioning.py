"""Provisioning killed at a random moment, run again, and looked at."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from failures import FailureError
from files import TenantFiles
from holdings import compare, read_holdings
from processes import Run, fork, spawn

from infra.twin.state import State, open_state

RUN_SECONDS = 120.0
ROUNDS_A_TWIN = 8
"""Then a new one: the first run of all, which makes everything, is to be killed too."""
START_SECONDS = 3.0
"""A guess at how long a run takes, until one was seen."""


GROWS = {"fileSize", "numTables"}
"""What Cloudflare tells of a database that is in use."""
PROVISIONED = ("provisioned", "refused", "failed")
STACKS = ("base", "cell-1", "cell-2")


@dataclass
class Commits:
    """Counts the commits to the account and the journals, as they show in the files' sizes and times."""

    state: Path
    count: int = 0
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])

    def look(self) -> int:
        for path in (self.state / "account.db-wal", *(self.state / f"stacks/{s}.db-wal" for s in STACKS)):
            try:
                stat = path.stat()
            except OSError:
                continue
            now = (stat.st_mtime_ns, stat.st_size)
            if self._seen.get(path) != now:
                self._seen[path] = now
                self.count += 1
        return self.count


@dataclass
class Usual:
    """How long a kind of run takes and how often it commits, from those that were left alone."""

    seconds: float = START_SECONDS
    commits: int = 20

    def learn(self, seconds: float, commits: int) -> None:
        self.seconds += (seconds - self.seconds) / 2
        self.commits += round((commits - self.commits) / 2)


@dataclass
class Twin:
    folder: Path
    files: TenantFiles
    uuids: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, int] = field(default_factory=dict[str, int])
    states: int = 1
    """Different sets of files since the last good run: each may have made a version of each Worker."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def options(self) -> list[str]:
        return ["--state", str(self.state), "--tenants", str(self.files.folder), "--json"]


@dataclass(frozen=True)
class Killed:
    way: str
    what: str
    at: float
    commits: int
    ended: bool
    """It was over before it could be killed."""


class Provisioning:
    def __init__(self, folder: Path, chance: random.Random, say: Callable[[str], None], *, short: bool) -> None:
        """`short` leaves out the rounds that take long: a fresh interpreter, an API that is gone for good."""
        self.folder = folder
        self.short = short
        self.chance = chance
        self.say = say
        self.usual: dict[str, Usual] = {}
        self.kills = 0
        self.rounds = 0
        self.early = 0
        self._twins = 0
        self._twin: Twin | None = None

    def round(self) -> None:
        """One kill, its repair and the checks. Raises FailureError."""
        twin, first = self._next_twin()
        changed = "begin" if first else twin.files.change()
        ways = ["up", "up", "dev"] if first else ["up", "up", "dev", "watch", "beside", "beside"]
        if not self.short and not first:
            ways.append("cold")
        way = self.chance.choice(ways)
        if way in ("watch", "beside"):  # they change the files themselves, beside a host that serves
            self._recover(twin, "dev")
        killed = self._way(way)(twin, first)
        self.kills += not killed.ended
        self.early += killed.ended
        self.rounds += 1
        if self.chance.random() < 0.25:
            changed += f"; after the kill {twin.files.change()}"
            twin.states += 1
        moment = "over before the kill" if killed.ended else f"{killed.at:.2f} s, {killed.commits} commits"
        told = f"{way:<7} {killed.what:<16} {moment:<26} {changed}"
        self.say(told)
        try:
            self._recover(twin, "dev" if way in ("dev", "watch") else "up")
            self._check(twin)
        except FailureError as failure:
            raise FailureError([f"{told}   (seed's twin {twin.folder})", *failure.problems]) from None

    def abandon(self) -> None:
        """Begin the next round with a new twin: this one is not sound any more."""
        self._twin = None

    # the ways to be killed

    def _kill_up(self, twin: Twin, first: bool) -> Killed:
        return self._kill(twin, fork(["up", *twin.options], twin.folder / "runs"), "first" if first else "up")

    def _kill_cold(self, twin: Twin, first: bool) -> Killed:
        """In an interpreter of its own, the import of the SDK included."""
        return self._kill(twin, spawn(["up", *twin.options], twin.folder / "runs"), "cold")

    def _kill_dev(self, twin: Twin, first: bool) -> Killed:
        run = fork(["dev", "--port", "0", "--no-watch", *twin.options], twin.folder / "runs")
        return self._kill(twin, run, "first" if first else "dev", until=lambda: _ready(run))

    def _kill_watch(self, twin: Twin, first: bool) -> Killed:
        run = fork(["dev", "--port", "0", *twin.options], twin.folder / "runs")
        if not run.until(lambda: _ready(run), RUN_SECONDS):
            raise FailureError([f"dev does not come up: {run.told()}"])
        time.sleep(0.3)  # the watch begins after the ready line
        twin.files.change()
        twin.states += 1
        killed = self._kill(
            twin, run, "watch", until=lambda: any(line.get("event") in PROVISIONED for line in run.lines())
        )
        run.kill_all()
        return killed

    def _kill_beside(self, twin: Twin, first: bool) -> Killed:
        """A host serves the account, `up` works on it, and one of them or both are killed."""
        host = fork(["dev", "--port", "0", "--no-watch", *twin.options], twin.folder / "runs")
        if not host.until(lambda: _ready(host), RUN_SECONDS):
            raise FailureError([f"dev does not come up: {host.told()}"])
        twin.files.change()
        twin.states += 1
        run = fork(["up", *twin.options], twin.folder / "runs")
        victim = self.chance.choice(
            ("up", "up", "both", "both") if self.short else ("up", "up", "both", "both", "host")
        )
        try:
            killed = self._kill(twin, run, "beside", victim=victim, host=host)
            if victim == "host":
                if run.wait(RUN_SECONDS) is None:
                    raise FailureError([f"`up` does not end {RUN_SECONDS:.0f} s after the account's API is gone"])
                if run.traceback or (run.code and not run.err.read_text().strip()):
                    raise FailureError([f"`up` does not say in a sentence that the API is gone: {run.told()}"])
            return killed
        finally:
            run.kill_all()
            host.kill_all()

    def _way(self, name: str) -> Callable[[Twin, bool], Killed]:
        return {
            "up": self._kill_up,
            "cold": self._kill_cold,
            "dev": self._kill_dev,
            "watch": self._kill_watch,
            "beside": self._kill_beside,
        }[name]

    def _kill(
        self,
        twin: Twin,
        run: Run,
        kind: str,
        *,
        until: Callable[[], bool] = lambda: False,
        victim: str = "up",
        host: Run | None = None,
    ) -> Killed:
        """Wait for the chosen moment: a time within the usual ones, or a number of commits."""
        usual = self.usual.setdefault(kind, Usual())
        commits = Commits(twin.state)
        by_commits = self.chance.random() < 0.6
        at = self.chance.uniform(0, usual.seconds)
        after = self.chance.randint(1, max(2, usual.commits))
        base = commits.look()
        started = time.monotonic()

        def due() -> bool:
            seen = commits.look() - base
            return until() or (seen >= after if by_commits else time.monotonic() - started >= at)

        run.until(due, RUN_SECONDS)
        seconds, seen = time.monotonic() - started, commits.look() - base
        ended = run.poll() is not None or until()
        if ended:
            usual.learn(seconds, seen)
        elif by_commits:
            time.sleep(self.chance.uniform(0, 0.004))
        what = self._strike(run, victim, host)
        return Killed(kind, what, seconds, seen, ended)

    def _strike(self, run: Run, victim: str, host: Run | None) -> str:
        if host is not None and victim != "up":
            host.kill_all()
            if victim == "both":
                run.kill_all()
            return victim
        if self.chance.random() < 0.5:
            run.kill_all()
            return "with its children"
        run.kill()
        return "alone"

    # the repair, and the proof

    def _recover(self, twin: Twin, kind: str) -> None:
        commits = Commits(twin.state)
        base = commits.look()
        started = time.monotonic()
        if kind == "up":
            run = fork(["up", *twin.options], twin.folder / "runs")
            run.until(lambda: commits.look() < 0, RUN_SECONDS)
            done = run.poll() == 0
        else:
            run = fork(["dev", "--port", "0", "--no-watch", *twin.options], twin.folder / "runs")
            done = run.until(lambda: commits.look() >= 0 and _ready(run), RUN_SECONDS)
        seconds = time.monotonic() - started
        if not done:
            code = run.poll()
            run.kill_all()
            raise FailureError(
                [f"the next run does not come up (exit code {code} after {seconds:.0f} s): {run.told()}"]
            )
        if kind == "dev" and run.stop() != 0:
            raise FailureError([f"dev does not end well when it is told to: {run.told()}"])
        self.usual.setdefault(kind, Usual()).learn(seconds, commits.look() - base)
        twin.files.succeeded()

    def _check(self, twin: Twin) -> None:
        state = open_state(twin.state)
        problems = [
            *self._plan(twin),
            *compare(state, kept=twin.files.kept(), maybe=twin.files.tried),
            *_databases(twin, state),
            *self._versions(twin, state),
            *self._books(twin),
        ]
        if problems:
            raise FailureError(problems)

    def _plan(self, twin: Twin) -> Iterator[str]:
        """Everything is read again from the API, so this compares files, journals and account."""
        run = fork(["plan", "--refresh", *twin.options], twin.folder / "runs")
        if run.wait(RUN_SECONDS) != 0:
            yield f"plan fails: {run.told()}"
            return
        for stack in run.lines()[-1]["stacks"]:
            for change in stack["changes"]:
                if {one["path"] for one in change["diff"]} - GROWS or change["op"] != "refresh":
                    yield f"plan is not empty: {stack['stack']} {change['op']} {change['name']} {change['diff']}"

    def _versions(self, twin: Twin, state: State) -> Iterator[str]:
        """A set of files makes at most one version of each Worker, however often it was tried."""
        versions = read_holdings(state.account_path).versions()
        for worker, now in versions.items():
            before = twin.versions.get(worker, 0)
            if now - before > twin.states:
                yield f"{worker} has {now - before} new versions, where {twin.states} can have been needed"
        twin.versions = dict(versions)
        twin.states = 1

    def _books(self, twin: Twin) -> Iterator[str]:
        run = fork(["ledger", "reconcile", "--state", str(twin.state)], twin.folder / "runs")
        if run.wait(RUN_SECONDS) != 0:
            yield f"ledger reconcile is not clean: {run.out.read_text()} {run.told()}"

    def _next_twin(self) -> tuple[Twin, bool]:
        if self._twin is not None and self.rounds % ROUNDS_A_TWIN:
            return self._twin, False
        self._twins += 1
        folder = self.folder / f"twin-{self._twins}"
        self._twin = Twin(folder, TenantFiles(folder / "tenants", self.chance))
        self._twin.files.begin()
        return self._twin, True


def _databases(twin: Twin, state: State) -> Iterator[str]:
    """Every tenant keeps its database for ever, whoever was killed."""
    now = read_holdings(state.account_path).databases()
    for name, uuid in twin.uuids.items():
        if now.get(name) != uuid:
            yield f"database {name} was {uuid} and is {now.get(name)}"
    twin.uuids |= now
    for name in twin.files.active():
        with closing(sqlite3.connect(state.d1_path(now[twin.files.database(name)]))) as db:
            if db.execute("pragma integrity_check").fetchone()[0] != "ok":
                yield f"database of {name} is damaged"


def _ready(run: Run) -> bool:
    return any(line.get("ready") for line in run.lines())
