"""Given deployed Workers, when requests come, then the right version answers and no request is lost."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.twin.account.account import Module
from infra.twin.edge.source import EdgeError

if TYPE_CHECKING:
    from tests.infra.twin.edge.conftest import Answer, Client, Edge, MemoryAccount, StartEdge

BROKEN = (asyncio.IncompleteReadError, ConnectionError)
SECRET = "pepper-5d41402abc4b2a76b9719d911017c592"


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Hammer:
    """Clients that ask without a pause, on kept-alive connections. Anything but a 200 is a failure."""

    def __init__(self, edge: "Edge", paths: list[str]) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._edge = edge
        self._stopping = False
        self._tasks = [asyncio.create_task(self._ask(path)) for path in paths]

    async def _ask(self, path: str) -> None:
        client = self._edge.client()
        while not self._stopping:
            try:
                answer = await client.ask(path)
            except (OSError, EOFError, TimeoutError) as error:
                self.failures.append(f"{path}: {error!r}")
                await client.close()
                continue
            self.answers.append(answer)
            if answer.status != 200:
                self.failures.append(f"{path}: {answer.status} {answer.body!r}")

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    @property
    def greetings(self) -> list[str]:
        return list(dict.fromkeys(answer.json["greeting"] for answer in self.answers))


async def test_the_first_request_starts_the_process(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "hello")
    async with start_edge() as edge:
        await asyncio.sleep(0.1)
        assert await edge.host.status() == []
        answer = await edge.ask("/acme/v1/models")
        assert (answer.status, answer.json["greeting"], answer.json["path"]) == (200, "hello", "/acme/v1/models")
        (process,) = await edge.host.status()
        assert (process["script"], process["state"], process["pid"]) == ("serai-acme", "serving", answer.json["pid"])
        assert process["requests"] == 1
        assert [event["event"] for event in edge.events] == ["started"]
    assert gone(answer.json["pid"])


async def test_what_runs_is_what_was_uploaded(
    start_edge: "StartEdge", account: "MemoryAccount", monkeypatch: pytest.MonkeyPatch
) -> None:
    """`handlers` and `shared` of the working tree exist too, and must not be found."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    first = account.deploy("serai-acme", "one", text={"CELL": "cell-1", "KEY_PEPPER": SECRET})
    async with start_edge() as edge:
        told = (await edge.ask("/acme/")).json
        version = edge.state.path / "versions" / first
        assert told["greeting"] == "one"
        assert told["sys_path"][0] == str(version)
        assert not [entry for entry in told["sys_path"] if (Path(entry) / "infra").is_dir()]
        assert Path(told["shared"]) == version / "shared" / "__init__.py"
        assert told["text"] == {"CELL": "cell-1", "KEY_PEPPER": SECRET}
        assert SECRET not in " ".join(told["argv"])
        process = Path(f"/proc/{told['pid']}")
        assert SECRET.encode() not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        account.deploy("serai-acme", "two", text={})
        assert await edge.host.reconcile() == []
        told = (await edge.ask("/acme/")).json
        assert (told["greeting"], told["text"]) == ("two", {})


WITH_DATABASE = """
import json
from shared.edge.ports import Statement

def application(platform):
    async def app(scope, receive, send):
        (rows,) = await platform.databases["DB_ACME"].batch([Statement("select name from pets")])
        body = {"databases": list(platform.databases), "rows": rows.rows, "local": platform.text["CELL"]}
        body["model"] = type(platform.ai).__name__
        body["data"] = platform.modules("tenants.json").decode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})
    return app
"""


async def test_the_projects_own_adapters_serve_the_declared_bindings(
    start_edge: "StartEdge", account: "MemoryAccount", tmp_path: Path
) -> None:
    root = Path(__file__).parents[4]
    shared = {str(path.relative_to(root)): path.read_text() for path in (root / "shared").rglob("*.py")}
    database = "0f3a2b1c-0000-4000-8000-000000000001"
    d1 = tmp_path / "state" / "d1"
    d1.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(d1 / f"{database}.sqlite")) as connection:
        connection.executescript("create table pets (name); insert into pets values ('Ada')")
    bindings = [{"name": "AI", "type": "ai"}, {"name": "DB_ACME", "type": "d1", "database_id": database}]
    account.deploy("serai-acme", "", main=WITH_DATABASE, shared=shared, text={"CELL": "cell-1"}, more_bindings=bindings)
    account.versions["serai-acme"].modules.append(Module("tenants.json", "application/octet-stream", b"{}"))
    async with start_edge(environ={"SERAI_LOCAL_MODELS": "http://127.0.0.1:9/v1"}) as edge:
        told = (await edge.ask("/acme/")).json
        assert told == {
            "databases": ["DB_ACME"],
            "rows": [["Ada"]],
            "local": "cell-1",
            "model": "CompatibleAi",
            "data": "{}",
        }
        account.deploy(
            "serai-acme", "", main=WITH_DATABASE, shared=shared, more_bindings=[{"name": "Q", "type": "queue"}]
        )
        (failure,) = await edge.host.reconcile()
        assert "binding Q" in failure
        assert (await edge.ask("/acme/")).json == told


async def test_a_request_without_a_route_is_not_found(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "hello")
    account.domains["ai.acme.example"] = "serai-acme"
    account.domains["control.serai.example"] = "serai-control"
    async with start_edge() as edge:
        client = edge.client()
        answer = await client.ask("/nobody/v1/models", method="POST", body=b"{}")
        assert answer.status == 404
        assert answer.json["error"] | {"message": ""} == {
            "message": "",
            "type": "invalid_request_error",
            "code": "not_found",
            "param": None,
        }
        assert "/nobody/v1/models" in answer.json["error"]["message"]
        assert answer.headers["x-request-id"] == answer.headers["x-serai-request-id"]
        assert answer.headers["x-request-id"].startswith("req_")
        # the same connection goes on
        assert (await client.ask("/acme/")).status == 200
        assert (await client.ask("/acme")).status == 404
        found = [
            (await edge.ask(path, host)).status
            for host, path in [
                ("localhost:8787", "/acme/v1"),
                ("[::1]:8787", "/acme/v1"),
                ("API.serai.example", "/acme/v1"),
                ("ai.acme.example", "/v1/models"),
                ("api.other.example", "/acme/v1"),
                ("control.serai.example", "/acme/v1"),
                ("serai.example", "/acme/v1"),
            ]
        ]
        assert found == [200, 200, 200, 200, 404, 404, 404]


async def test_a_removed_route_answers_404_at_once(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "hello")
    account.routes["api.serai.example/globex/*"] = "serai-acme"
    async with start_edge() as edge:
        client = edge.client()
        before = await client.ask("/globex/")
        del account.routes["api.serai.example/globex/*"]
        account.change()
        await edge.host.reconcile()
        assert (await client.ask("/globex/")).status == 404
        after = await client.ask("/acme/")
        assert (before.status, after.status) == (200, 200)
        assert before.json["pid"] == after.json["pid"]


async def test_ten_deployments_under_load_lose_no_request(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "version 0")
    async with start_edge() as edge:
        silent = edge.client()
        await silent.ask("/acme/")
        hammer = Hammer(edge, ["/acme/", "/acme/", "/acme/slow?0.05", "/acme/slow?0.01"])
        streams: list[Client] = []
        for number in range(1, 11):
            stream = edge.client()
            streams.append(stream)
            await stream.send("/acme/stream?15,0.1")
            assert (await stream.head()).headers["transfer-encoding"] == "chunked"
            account.deploy("serai-acme", f"version {number}")
            assert await edge.host.reconcile() == []
            # a connection that was open and silent all the time meets the new version
            assert (await silent.ask("/acme/")).json["greeting"] == f"version {number}"
        await hammer.stop()
        assert hammer.failures == []
        assert hammer.greetings == [f"version {number}" for number in range(11)]
        assert len(edge.seen("deployed")) == 10
        for number, stream in enumerate(streams):
            pieces: list[bytes] = []
            while piece := await stream.piece():
                pieces.append(piece)
            assert pieces == [*(b"%d\n" % count for count in range(15)), b"version %d" % number]
        await edge.until(lambda: len(edge.host.processes()) == 1)
        assert edge.seen("crashed") == []


async def test_a_stream_that_outlives_a_deployment_keeps_its_connection(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "old")
    async with start_edge() as edge:
        streaming, asking = edge.client(), edge.client()
        await streaming.send("/acme/stream?15,0.1")
        first = await streaming.head()
        await asking.send("/acme/slow?1.5")
        await asyncio.sleep(0.1)
        account.deploy("serai-acme", "new")
        await edge.host.reconcile()
        assert "connection" not in first.headers
        while await streaming.piece():
            pass
        # its head promised to keep the connection: it has been handed to the new process
        assert (await streaming.ask("/acme/")).json["greeting"] == "new"
        # a head that is written after the deployment tells the client to close
        last = await asking.receive()
        assert (last.json["greeting"], last.headers["connection"]) == ("old", "close")


async def test_a_version_that_does_not_start_changes_nothing(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    good = account.deploy("serai-acme", "good")
    async with start_edge() as edge:
        client = edge.client()
        pid = (await client.ask("/acme/")).json["pid"]
        broken = account.deploy("serai-acme", "broken", main="import nothing_of_that_name")
        (failure,) = await edge.host.reconcile()
        assert "No module named 'nothing_of_that_name'" in failure
        (event,) = edge.seen("start_failed")
        assert (event["version"], event["serving"]) == (broken, good)
        assert "nothing_of_that_name" in event["reason"]
        assert (await client.ask("/acme/")).json["pid"] == pid
        unsafe = account.deploy("serai-acme", "unsafe")
        account.versions["serai-acme"].modules.append(type(account.versions["serai-acme"].modules[0])("../x", "", b""))
        (failure,) = await edge.host.reconcile()
        assert "leads out of" in failure
        assert edge.seen("start_failed")[1]["version"] == unsafe
        account.deploy("serai-acme", "better")
        assert await edge.host.reconcile() == []
        assert (await client.ask("/acme/")).json["greeting"] == "better"


async def test_a_crashed_process_is_restarted_and_connections_wait(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "hello")
    async with start_edge() as edge:
        delays: list[float] = []
        for number in range(1, 4):
            with pytest.raises(BROKEN):
                await edge.ask("/acme/crash")
            assert (await edge.ask("/acme/")).status == 200
            await edge.until(lambda number=number: len(edge.seen("crashed")) == number)
            delays.append(edge.seen("crashed")[-1]["restart_in"])
        assert delays == [0.1, 0.2, 0.4]
        assert edge.seen("crashed")[0]["exit"] == "exit code 3"
        pid = edge.host.processes()[0].pid
        os.kill(pid, signal.SIGTERM)
        await edge.until(lambda: gone(pid))
        assert (await edge.ask("/acme/")).status == 200  # asked to end, it does, and another takes its place
        assert len(edge.seen("crashed")) == 3
        os.kill(edge.host.processes()[0].pid, signal.SIGSEGV)
        await edge.until(lambda: len(edge.seen("crashed")) == 4)
        assert edge.seen("crashed")[-1]["exit"] == "SIGSEGV"
        # and it comes back by itself
        await edge.until(lambda: len(edge.seen("started")) == 6)


async def test_what_did_serve_is_back_soon_however_often_it_was_killed(
    start_edge: "StartEdge", account: "MemoryAccount", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.twin.edge.slot.SERVED_DELAY", 0.3)
    account.deploy("serai-acme", "hello")
    async with start_edge() as edge:
        for number in range(1, 5):
            assert (await edge.ask("/acme/")).status == 200
            os.kill(edge.host.processes()[0].pid, signal.SIGKILL)
            await edge.until(lambda number=number: len(edge.seen("crashed")) == number)
        assert [event["restart_in"] for event in edge.seen("crashed")] == [0.1, 0.2, 0.3, 0.3]


async def test_an_idle_process_ends_and_the_next_request_starts_another(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "hello")
    async with start_edge(idle_seconds=0.1) as edge:
        pids: set[int] = set()
        # asked at about the moment of its end, again and again: no connection falls into the gap
        for pause in [0.08, 0.1, 0.11, 0.12, 0.125, 0.13, 0.15]:
            answer = await edge.ask("/acme/")
            assert answer.status == 200
            pids.add(answer.json["pid"])
            await asyncio.sleep(pause)
        await edge.until(lambda: edge.host.processes() == [])
        assert all(gone(pid) for pid in pids)
        assert len(edge.seen("idle")) == len(pids)
        assert edge.seen("crashed") == []
        account.deploy("serai-acme", "changed while nothing ran")
        await edge.host.reconcile()
        assert (await edge.ask("/acme/")).json["greeting"] == "changed while nothing ran"


async def test_a_second_cell_comes_and_goes_under_load(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "acme")
    async with start_edge() as edge:
        await edge.ask("/acme/")
        hammer = Hammer(edge, ["/acme/", "/acme/", "/acme/slow?0.05"])
        streams: list[Client] = []
        for _ in range(2):
            account.deploy("serai-globex", "globex")
            account.domains["ai.globex.example"] = "serai-globex"
            await edge.host.reconcile()
            assert (await edge.ask("/globex/")).json["greeting"] == "globex"
            assert (await edge.ask("/v1/models", "ai.globex.example")).json["path"] == "/v1/models"
            assert (await edge.ask("/nobody/")).status == 404
            stream = edge.client()
            streams.append(stream)
            await stream.send("/globex/stream?10,0.05")
            await stream.head()
            assert {process.program.script for process in edge.host.processes()} >= {"front", "serai-globex"}
            account.remove("serai-globex")
            del account.domains["ai.globex.example"]
            await edge.host.reconcile()
            assert (await edge.ask("/globex/")).status == 404
            assert (await edge.ask("/acme/")).json["greeting"] == "acme"
        await hammer.stop()
        assert hammer.failures == []
        assert len(hammer.answers) > 100
        for stream in streams:
            pieces: list[bytes] = []
            while piece := await stream.piece():
                pieces.append(piece)
            assert pieces[-1] == b"globex"
        await edge.until(lambda: [one.program.script for one in edge.host.processes()] == ["serai-acme"])
        await edge.until(lambda: list((edge.state.path / "edge").iterdir()) == [])


async def test_the_last_cell_behind_the_front_survives_a_version_that_does_not_start(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "good")
    account.deploy("serai-globex", "globex")
    async with start_edge() as edge:
        assert (await edge.ask("/globex/")).status == 200
        assert (await edge.ask("/acme/")).json["greeting"] == "good"
        account.remove("serai-globex")
        broken = account.deploy("serai-acme", "broken", main="import nothing_of_that_name")
        (failure,) = await edge.host.reconcile()
        assert broken in failure
        assert (await edge.ask("/acme/")).json["greeting"] == "good"
        assert (await edge.ask("/globex/")).status == 404
        await edge.until(lambda: [one.program.script for one in edge.host.processes()] == ["serai-acme"])


async def test_a_front_keeps_its_only_cell_when_that_does_not_start_on_the_data_port(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    """The cell behind the front has no process at that moment, so that its new version is first tried on the port."""
    account.deploy("serai-acme", "good")
    account.deploy("serai-globex", "globex")
    async with start_edge() as edge:
        pid = (await edge.ask("/acme/")).json["pid"]
        os.kill(pid, signal.SIGTERM)
        await edge.until(lambda: [one.program.script for one in edge.host.processes()] == ["front"])
        account.remove("serai-globex")
        account.deploy("serai-acme", "broken", main="import nothing_of_that_name")
        assert len(await edge.host.reconcile()) == 1
        assert (await edge.ask("/acme/")).json["greeting"] == "good"
        assert (await edge.ask("/globex/")).status == 404
        account.deploy("serai-acme", "better")
        assert await edge.host.reconcile() == []
        assert (await edge.ask("/acme/")).json["greeting"] == "better"
        await edge.until(lambda: [one.program.script for one in edge.host.processes()] == ["serai-acme"])


async def test_half_a_request_survives_the_move_away_from_the_front(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "acme")
    account.deploy("serai-globex", "globex")
    async with start_edge() as edge:
        client = edge.client()
        await client.ask("/acme/")
        client.writer.write(b"POST /acme/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-le")
        await asyncio.sleep(0.05)
        account.remove("serai-globex")
        await edge.host.reconcile()
        assert (await edge.ask("/acme/")).json["greeting"] == "acme"
        await asyncio.sleep(0.1)
        client.writer.write(b"ngth: 5\r\n\r\nhello")
        assert (await client.receive()).json["body"] == 5


async def test_http_1_0_through_the_front_ends_with_its_connection(
    start_edge: "StartEdge", account: "MemoryAccount"
) -> None:
    account.deploy("serai-acme", "acme")
    account.deploy("serai-globex", "globex")
    async with start_edge() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.host.port)
        writer.write(b"GET /acme/stream?3,0.01 HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\n0\n1\n2\nacme")
        writer.close()


async def test_through_the_front_requests_stay_what_they_are(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "acme")
    account.deploy("serai-globex", "globex")
    async with start_edge() as edge:
        client = edge.client()
        for path, greeting in [("/acme/a%20b", "acme"), ("/globex/", "globex"), ("/acme/", "acme")]:
            answer = await client.ask(path, method="POST", body=b"x" * 300_000)
            assert (answer.json["greeting"], answer.json["body"]) == (greeting, 300_000)
        chunked = b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
        await client.send("/acme/", method="POST", headers="transfer-encoding: chunked\r\n")
        client.writer.write(chunked)
        assert (await client.receive()).json["body"] == 12
        assert (await client.ask("/acme/", method="HEAD")).status == 200
        assert len((await client.ask("/globex/large?50")).body) == 5_000_000
        assert (await client.ask("/acme/fail")).status == 500
        with pytest.raises(BROKEN):
            # the cell dies in the middle of an answer: cut off, not completed
            await client.send("/acme/stream?100,0.05")
            await client.head()
            await client.piece()
            os.kill(edge.pid("serai-acme"), signal.SIGKILL)
            while await client.piece():
                pass
        await client.close()
        assert (await edge.ask("/acme/")).status == 200
        await client.send("/acme/crash")
        assert (await client.receive()).status == 502
        # a client that goes away takes its request to the cell along
        gone_early = edge.client()
        await gone_early.send("/globex/stream?1000,0.05")
        await gone_early.head()
        assert await edge.connections("serai-globex") == 1
        await gone_early.close()
        async with asyncio.timeout(30):
            while await edge.connections("serai-globex"):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.02)


async def test_the_control_worker_has_a_port_of_its_own(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "acme")
    async with start_edge() as edge:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.2):
                await edge.client(port=edge.host.control_port).ask("/healthz")
        account.deploy("serai-control", "control")
        await edge.host.reconcile()
        answer = await edge.client(port=edge.host.control_port).ask("/healthz")
        assert (answer.json["greeting"], answer.json["path"]) == ("control", "/healthz")
        assert (await edge.ask("/acme/")).json["greeting"] == "acme"


async def test_a_port_in_use_is_named(start_edge: "StartEdge", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.twin.edge.host.BIND_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EdgeError, match=rf"Port {port} on 127.0.0.1 is in use .*another port with --port"):
            async with start_edge(port=port):
                pass


HOST_ALONE = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from conftest import FolderState, MemoryAccount
from pathlib import Path
from infra.twin.edge.host import EdgeHost

async def main():
    account = MemoryAccount()
    account.deploy("serai-acme", "hello")
    host = EdgeHost(FolderState(Path(sys.argv[2])), account, port=int(sys.argv[3]), on_event=lambda event: None)
    await host.start()
    print(host.port, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_host_frees_its_port_and_streams_end_in_peace(
    tmp_path: Path, edge_client: "type[Client]"
) -> None:
    async def start(port: int) -> tuple[asyncio.subprocess.Process, int]:
        arguments = ["-c", textwrap.dedent(HOST_ALONE), str(Path(__file__).parent), str(tmp_path), str(port)]
        host = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        assert host.stdout is not None
        return host, int(await host.stdout.readline())

    host, port = await start(0)
    client, streaming = edge_client(port), edge_client(port)
    pid = (await client.ask("/acme/")).json["pid"]
    await streaming.send("/acme/stream?10,0.1")
    await streaming.head()
    host.kill()
    await host.wait()
    killed = time.monotonic()
    host, again = await start(port)
    assert again == port
    assert time.monotonic() - killed < 15
    await client.close()
    assert (await client.ask("/acme/")).json["pid"] != pid
    pieces = 0
    while await streaming.piece():
        pieces += 1
    assert pieces == 11
    await client.close()
    await streaming.close()
    host.kill()
    await host.wait()
    async with asyncio.timeout(30):
        while not gone(pid):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)


async def test_a_stopped_host_leaves_nothing_behind(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "hello")
    async with start_edge() as edge:
        stream = edge.client()
        await stream.send("/acme/stream?5,0.1")
        await stream.head()
        pids = [process.pid for process in edge.host.processes()]
        await edge.host.stop(5)
        pieces: list[Any] = []
        while piece := await stream.piece():
            pieces.append(piece)
        assert len(pieces) == 6
        assert all(gone(pid) for pid in pids)


async def test_failures_are_logged_without_what_was_asked(start_edge: "StartEdge", account: "MemoryAccount") -> None:
    account.deploy("serai-acme", "hello")
    async with start_edge() as edge:
        answer = await edge.ask("/acme/fail?sk-secret")
        assert (answer.status, answer.json["error"]["code"]) == (500, "internal_error")
        log = (edge.state.path / "logs" / "serai-acme.log").read_text()
        assert "unhandled ValueError" in log
        assert "in app" in log
        assert "sk-secret" not in log
