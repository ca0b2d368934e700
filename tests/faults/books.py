"""The tenants' databases against what clients were told."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from clients import Answer

from handlers.metering.expiry import GRACE_MS, sweep
from infra.twin.state import State
from scripts.terminal.books import reconcile_all, tenant_databases
from shared.edge.local.database import SqliteDatabase

DEADLINE_MS = 600_000
INPUT_NANO, OUTPUT_NANO = 750, 4_500
"""openai/gpt-5.4-mini by the price book: 0.75 and 4.50 dollars a million."""
BATCH = 400
OVER = "select kind, scope, period, cap, held, spent from limits where held + spent > cap"


@dataclass
class Books:
    state: State
    checked: int = 0
    """Answers whose receipts were looked at."""
    paths: dict[str, Path] = field(default_factory=dict[str, Path])

    def check_caps(self) -> Iterator[str]:
        """Seen from outside, at any moment."""
        for tenant, path in self._databases().items():
            with closing(_open(path)) as db:
                if not _is_used(db):
                    continue
                for kind, scope, period, cap, held, spent in db.execute(OVER):
                    yield f"{tenant}: {kind} {scope} {period}: {held} held and {spent} spent are over the cap of {cap}"

    def check_answers(self, answers: list[Answer]) -> Iterator[str]:
        """Every answer that was received has a receipt that says the same, or is still to be settled."""
        for tenant, path in self._databases().items():
            mine = {answer.request_id: answer for answer in answers if answer.tenant == tenant}
            with closing(_open(path)) as db:
                found = dict(_receipts(db, list(mine))) if mine else {}
            for request_id, answer in mine.items():
                self.checked += 1
                yield from _compare(tenant, answer, found.get(request_id))

    def reconcile(self) -> Iterator[str]:
        for name, differences in asyncio.run(reconcile_all(self.state)).items():
            yield from (f"reconcile {name}: {difference}" for difference in differences)

    def expire(self) -> tuple[int, list[str]]:
        """As if it were eleven minutes later: how many holds a kill had left, and what is wrong then."""
        return asyncio.run(self._expire())

    async def _expire(self) -> tuple[int, list[str]]:
        later = int(time.time() * 1000) + DEADLINE_MS + GRACE_MS + 60_000
        expired, problems = 0, list[str]()
        for tenant, path in self._databases().items():
            database = SqliteDatabase(path, create=False)
            try:
                expired += await sweep(database, later)
            finally:
                database.close()
            with closing(_open(path)) as db:
                left = db.execute("select count(*) from receipts where status = 'pending'").fetchone()[0]
                held = db.execute("select kind, sum(held) from limits group by kind having sum(held) <> 0").fetchall()
            if left or held:
                problems.append(f"{tenant}: {left} holds are pending for ever, held is {held}")
        return expired, problems

    def _databases(self) -> dict[str, Path]:
        """Tenant -> file."""
        if not self.paths:
            uuids = tenant_databases(self.state)
            self.paths = {
                name.removeprefix("serai-").rpartition("-")[0]: self.state.d1_path(uuid) for name, uuid in uuids.items()
            }
        return self.paths


Receipt = tuple[str, int, int]
"""Status, output tokens, price of the model in nano-dollars."""


def _receipts(db: sqlite3.Connection, wanted: list[str]) -> Iterator[tuple[str, Receipt]]:
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        marks = ", ".join("?" * len(some))
        sql = f"select request_id, status, output, model_nano from receipts where request_id in ({marks})"  # noqa: S608
        for request_id, status, output, nano in db.execute(sql, some):
            yield request_id, (status, output, nano)


def _compare(tenant: str, answer: Answer, receipt: Receipt | None) -> Iterator[str]:
    if receipt is None:
        yield f"{tenant}: {answer.request_id} was answered and has no receipt"
        return
    status, output, nano = receipt
    if status not in ("settled", "pending", "expired"):
        yield f"{tenant}: {answer.request_id} was answered, and its receipt is {status}"
    if status != "settled":
        return
    if output != answer.output:
        yield f"{tenant}: {answer.request_id} told {answer.output} tokens and was settled with {output}"
    # what a stream of the simulated model costs is its own to say; the priced one has a fixed bill
    price = INPUT_NANO * 20 + OUTPUT_NANO * answer.output
    if answer.priced and nano != price:
        yield f"{tenant}: {answer.request_id} cost {nano} nano-dollars, and its tokens cost {price}"


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _is_used(db: sqlite3.Connection) -> bool:
    return bool(db.execute("select 1 from sqlite_master where name = 'limits'").fetchall())
