"""The Background port: work that outlives its response."""

import asyncio
import io
import json

from shared.edge.local.background import TaskBackground
from shared.edge.local.log import LineLog


def background() -> tuple[TaskBackground, io.StringIO]:
    stream = io.StringIO()
    return TaskBackground(LineLog(stream)), stream


async def test_work_is_done_without_being_waited_for() -> None:
    adapter, _ = background()
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    adapter.run(work())
    await asyncio.wait_for(done.wait(), 5)


async def test_a_failure_is_reported_and_disturbs_nothing() -> None:
    adapter, stream = background()

    async def work() -> None:
        raise ValueError("broken")

    adapter.run(work())
    await adapter.finish(5)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["error"], line["message"]) == ("background_failed", "ValueError", "broken")


async def test_finishing_waits_for_what_was_handed_over_and_for_what_that_begins() -> None:
    adapter, _ = background()
    order: list[str] = []

    async def second() -> None:
        await asyncio.sleep(0.01)
        order.append("second")

    async def first() -> None:
        await asyncio.sleep(0.01)
        order.append("first")
        adapter.run(second())

    adapter.run(first())
    await adapter.finish(5)
    assert order == ["first", "second"]
    assert adapter.pending == 0


async def test_finishing_gives_up_in_time() -> None:
    adapter, _ = background()
    adapter.run(asyncio.sleep(60))
    started = asyncio.get_running_loop().time()
    await adapter.finish(0.05)
    assert asyncio.get_running_loop().time() - started < 5
    assert adapter.pending == 1
    await asyncio.gather(
        *(task for task in asyncio.all_tasks() if task is not asyncio.current_task() and task.cancel()),
        return_exceptions=True,
    )
