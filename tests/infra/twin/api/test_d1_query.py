"""Given a D1 database, when statements come over HTTP, then they run by D1's rules and are answered in its shape."""

from pathlib import Path
from typing import Any

import pytest

from infra.twin.account import Account


@pytest.fixture
async def database(api: Any) -> str:
    made = await api.made("POST", "A/d1/database", {"name": "acme"})
    path = f"A/d1/database/{made['uuid']}"
    await api.made("POST", f"{path}/query", {"sql": "create table t (id integer primary key, v)"})
    return path


async def values(api: Any, database: str) -> list[Any]:
    (result,) = await api.made("POST", f"{database}/query", {"sql": "select v from t order by id"})
    return [row["v"] for row in result["results"]]


async def test_the_answer_has_d1s_shape(api: Any, database: str) -> None:
    body = {"sql": "insert into t (v) values (?), (?)", "params": ["a", "b"]}
    (result,) = await api.made("POST", f"{database}/query", body)
    assert result["results"] == []
    assert result["success"] is True
    meta = result["meta"]
    assert (meta["changes"], meta["last_row_id"], meta["rows_written"], meta["changed_db"]) == (2, 2, 2, True)
    assert meta["duration"] >= 0
    assert meta["size_after"] >= 8192
    (read,) = await api.made("POST", f"{database}/query", {"sql": "select * from t where v = ?", "params": ["b"]})
    assert read["results"] == [{"id": 2, "v": "b"}]
    assert (read["meta"]["changes"], read["meta"]["rows_read"], read["meta"]["changed_db"]) == (0, 1, False)
    (raw,) = await api.made("POST", f"{database}/raw", {"sql": "select v, v as v from t"})
    assert raw["results"] == {"columns": ["v", "v"], "rows": [["a", "a"], ["b", "b"]]}


async def test_parameters_and_results_are_converted_as_d1_does(api: Any, database: str) -> None:
    params = [True, None, 1.5, "é", [1, 255], 2**60]
    body = {"sql": "select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f", "params": params}
    (result,) = await api.made("POST", f"{database}/query", body)
    assert result["results"] == [{"a": 1, "b": None, "c": 1.5, "d": "é", "e": [1, 255], "f": float(2**60)}]
    (big,) = await api.made("POST", f"{database}/query", {"sql": "select 9007199254740993 as n"})
    assert big["results"] == [{"n": 9007199254740992}]


async def test_statements_in_one_text_are_one_transaction(api: Any, database: str) -> None:
    text = "insert into t (v) values ('one'); insert into t (v) values (?); -- the end"
    results = await api.made("POST", f"{database}/query", {"sql": text, "params": ["two"]})
    assert [result["meta"]["changes"] for result in results] == [1, 1]
    failing = "insert into t (v) values ('three'); insert into nowhere values (1)"
    assert await api.refused("POST", f"{database}/query", {"sql": failing}) == (400, 7500)
    assert await values(api, database) == ["one", "two"]


async def test_a_batch_is_atomic(api: Any, database: str) -> None:
    insert = {"sql": "insert into t (id, v) values (?, ?)"}
    batch = [insert | {"params": [1, "a"]}, insert | {"params": [1, "again"]}]
    response = await api("POST", f"{database}/query", {"batch": batch})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error == {"code": 7500, "message": "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT"}
    assert await values(api, database) == []
    batch[1]["params"] = [2, "b"]
    assert len(await api.made("POST", f"{database}/query", {"batch": batch})) == 2
    assert await values(api, database) == ["a", "b"]


async def test_a_triggers_body_is_not_split(api: Any, database: str) -> None:
    trigger = "create trigger twice after insert on t begin update t set v = 'x;y'; select 1; end;"
    text = " ".join([trigger, "insert into t (v) values (1)"])
    assert len(await api.made("POST", f"{database}/query", {"sql": text})) == 2
    assert await values(api, database) == ["x;y"]


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "syntax": ({"sql": "selekt 1"}, 7500),
    "empty": ({"sql": " -- nothing"}, 7500),
    "begin": ({"sql": "begin"}, 7500),
    "commit behind a comment": ({"sql": "/* x */ COMMIT;"}, 7500),
    "savepoint": ({"sql": "savepoint a"}, 7500),
    "release": ({"sql": "release a"}, 7500),
    "rollback after work": ({"sql": "insert into t (v) values (1); rollback"}, 7500),
    "attach": ({"sql": "attach 'other.db' as other"}, 7500),
    "vacuum": ({"sql": "vacuum"}, 7500),
    "pragma": ({"sql": "pragma journal_mode = delete"}, 7500),
    "101 parameters": ({"sql": f"select {', '.join('?' * 101)}", "params": [1] * 101}, 7500),
    "parameter number": ({"sql": "select ?101"}, 7500),
    "missing parameter": ({"sql": "select ?, ?", "params": [1]}, 7500),
    "too many parameters": ({"sql": "select ?", "params": [1, 2]}, 7500),
    "parameters not on the last": ({"sql": "select ?; select 1", "params": [1]}, 7500),
    "100 KB": ({"sql": "select '" + "x" * 100_000 + "'"}, 7500),
    "2 MB parameter": ({"sql": "select ?", "params": ["x" * 2_000_001]}, 7500),
    "2 MB made inside": ({"sql": "select zeroblob(2000001)"}, 7500),
    "2 MB row": ({"sql": "insert into t (v) values (?1 || ?1)", "params": ["x" * 1_200_000]}, 7500),
    "101 columns": ({"sql": f"create table wide ({', '.join(f'c{n}' for n in range(101))})"}, 7500),
    "extension": ({"sql": "select load_extension('x')"}, 7500),
    "sql missing": ({}, 7400),
    "sql not a string": ({"sql": 1}, 7400),
    "params not a list": ({"sql": "select 1", "params": {"a": 1}}, 7400),
    "parameter an object": ({"sql": "select ?", "params": [{"a": 1}]}, 7400),
    "batch empty": ({"batch": []}, 7400),
    "batch not a list": ({"batch": {"sql": "select 1"}}, 7400),
    "batch of strings": ({"batch": ["select 1"]}, 7400),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_d1_refuses(api: Any, database: str, case: str) -> None:
    body, code = REFUSED[case]
    assert await api.refused("POST", f"{database}/query", body) == (400, code)
    assert await values(api, database) == []


@pytest.mark.parametrize(
    "sql", ["pragma table_list", "pragma main.table_info(t)", "explain query plan select * from t"]
)
async def test_what_d1_allows(api: Any, database: str, sql: str) -> None:
    (result,) = await api.made("POST", f"{database}/query", {"sql": sql})
    assert result["results"]


async def test_a_query_that_never_ends_is_stopped(api: Any, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.twin.api.d1_query.MAX_SECONDS", 0.05)
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    assert await api.refused("POST", f"{database}/query", {"sql": endless}) == (400, 7500)


async def test_the_database_tells_its_size(api: Any, database: str) -> None:
    before = await api.made("GET", database)
    assert (before["num_tables"], before["file_size"]) == (1, 12288)
    await api.made("POST", f"{database}/query", {"sql": "insert into t (v) values (zeroblob(100000))"})
    assert (await api.made("GET", database))["file_size"] > 100_000


async def test_the_file_lives_as_long_as_the_database(api: Any, account: Account, database: str) -> None:
    folder = account.databases.path_of("0").parent
    assert [name.removesuffix(".sqlite") for name in listed(folder)] == [database.rsplit("/", 1)[1]]
    await api.refused("POST", "A/d1/database", {"name": "acme"})
    assert len(listed(folder)) == 1
    await api.made("DELETE", database)
    assert listed(folder) == []


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_lost_file_is_an_error_and_not_an_empty_database(api: Any, account: Account, database: str) -> None:
    uuid = database.rsplit("/", 1)[1]
    account.databases.remove(uuid)
    assert await api.refused("POST", f"{database}/query", {"sql": "select 1"}) == (500, 7500)
    assert await api.refused("POST", f"{database}/query", {"sql": "select 1"}) == (500, 7500)
