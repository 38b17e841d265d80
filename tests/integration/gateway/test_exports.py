"""`POST /v1/exports` over real tables: what is in the files, whose it is, and what is refused."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import httpx2
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from deploy.local.stack import Stack
from shared.files.tables import TABLES, WINDOWS
from tests.support.exporting import files, rows
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader

pytestmark = pytest.mark.servers

ROWS = 60
FORMATS = ("csv", "jsonl", "parquet", "arrow")


async def export(of: Reader, **asked: object) -> httpx2.Response:
    """POST with its key."""
    async with httpx2.AsyncClient(base_url=of.url, timeout=30) as client:
        return await client.post("/v1/exports", json=asked, headers={"x-api-key": of.key})


async def status(of: Reader, answer: httpx2.Response) -> Any:
    """How the export of an answer stands."""
    found = await of.ask(f"/v1/exports/{answer.headers['tidegauge-export']}")
    assert found.status_code == 200
    return found.json()


@pytest.fixture
async def filled(stack: Stack, mine: Reader, foreign: Reader) -> Reader:
    """A tenant with rows in every table, beside another one with other rows."""
    await rows.write(stack.postgres, mine.tenant_id, ROWS)
    await rows.write(stack.postgres, foreign.tenant_id, 3)
    return mine


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("table", TABLES)
async def test_a_file_holds_the_rows_of_the_tenant_and_says_what_it_is(
    filled: Reader, stack: Stack, table: str, name: str
) -> None:
    """What SQL gives, to the last bit, and nobody else's; rows, bytes and hash are those that the file has."""
    sketch = table == "windows"
    answer = await export(filled, table=table, format=name, sketch=sketch)
    of = TABLES[table]
    found = files.read(name, answer.content, of.columns + (of.sketch if sketch else ()))
    expected = await files.rows_of(
        stack.postgres, of, of.relation.format("rollup_1m"), filled.tenant_id, sketch=sketch
    )
    said = await status(filled, answer)
    if name == "csv":  # its reader here takes an empty text for none
        expected = [{key: None if value == "" else value for key, value in row.items()} for row in expected]

    assert (200, files.ordered(expected)) == (answer.status_code, files.ordered(found))
    assert ROWS * (1 + sketch) == len(found)
    assert ("complete", len(found), len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (
        said["state"], said["rows"], said["bytes"], said["sha256"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        pytest.param(["type=click"], 30, id="equal"),
        pytest.param(["type!=click"], 30, id="not equal"),
        pytest.param(["name="], 20, id="an empty text"),
        pytest.param(["user_id="], 60, id="none at all"),
        pytest.param(["event_id~e1*"], 11, id="a glob"),
        pytest.param(["event_id!~e*1"], 54, id="not a glob"),
        pytest.param(["event_id~e_%"], 0, id="signs of LIKE mean themselves"),
        pytest.param(["event_id in (e1, e2, nobody)", "type=click"], 1, id="one of several, and another"),
        pytest.param(["event_id not in (e1, e2)"], 58, id="none of several"),
    ],
)
async def test_conditions_leave_out_rows(filled: Reader, where: list[str], kept: int) -> None:
    """All of them must hold."""
    answer = await export(filled, table="events", format="jsonl", where=where)

    assert (200, kept) == (answer.status_code, answer.content.count(b"\n"))


async def test_windows_are_narrowed_by_metric_labels_and_time(filled: Reader) -> None:
    """Labels that a series lacks count as empty."""
    begin = int(rows.DAY.timestamp() * 1000)
    asked = {"table": "windows", "format": "jsonl"}
    narrow = {"from": begin + 60_000, "to": (rows.DAY + timedelta(minutes=3)).isoformat(), "resolution": "1m"}
    answers = [
        await export(filled, **asked, **more)
        for more in (
            {"metric": "api.response_seconds"}, {"metric": "other"}, {"where": ["endpoint=/1"]},
            {"where": ["endpoint="]}, {"where": ["odd=" + rows.AWKWARD]}, narrow, {"resolution": "15m"},
        )
    ]  # fmt: skip

    assert [120, 0, 60, 60, 60, 4, 0] == [answer.content.count(b"\n") for answer in answers]


async def test_an_export_of_nothing_is_a_whole_file(mine: Reader) -> None:
    """A name a column, and no row."""
    answers = {name: await export(mine, table="windows", format=name, sketch=True) for name in FORMATS}
    columns = WINDOWS.columns + WINDOWS.sketch

    assert [[]] * 4 == [files.read(name, answer.content, columns) for name, answer in answers.items()]
    assert [0] * 4 == [(await status(mine, answer))["rows"] for answer in answers.values()]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        pytest.param(b"", "malformed_json", None, id="nothing"),
        pytest.param(b"[]", "invalid_question", "questions", id="no object"),
        pytest.param(b'{"table":"event"}', "invalid_table", "table", id="no such table"),
        pytest.param(b'{"format":"csv"}', "invalid_table", "table", id="no table"),
        pytest.param(b'{"table":"events","format":"xlsx"}', "invalid_format", "format", id="no such format"),
        pytest.param(b'{"table":"events","from":"yesterday"}', "invalid_time", "from", id="no time"),
        pytest.param(b'{"table":"events","from":2,"to":1}', "invalid_range", "from", id="a range backwards"),
        pytest.param(b'{"table":"events","limit":5}', "invalid_question", "questions", id="a field that there is not"),
        pytest.param(b'{"table":"events","where":"type=a"}', "invalid_question", "where", id="no list"),
        pytest.param(b'{"table":"events","where":["type"]}', "invalid_where", "where", id="no condition"),
        pytest.param(b'{"table":"events","where":["tenant_id=1"]}', "invalid_where", "where", id="no such column"),
        pytest.param(b'{"table":"windows","where":["a\\u0000=1"]}', "invalid_where", "where", id="no character"),
        pytest.param(b'{"table":"windows","metric":"\\ud800"}', "malformed_json", None, id="half a character"),
        pytest.param(b'{"table":"windows","resolution":"1h"}', "invalid_resolution", "resolution", id="no tier"),
        pytest.param(b'{"table":"events","resolution":"1m"}', "invalid_resolution", "resolution", id="not of events"),
        pytest.param(b'{"table":"events","sketch":true}', "invalid_sketch", "sketch", id="no sketch"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_by_name(mine: Reader, body: bytes, code: str, field: str) -> None:
    """Before anything is read."""
    async with httpx2.AsyncClient(base_url=mine.url, timeout=30) as client:
        answer = await client.post("/v1/exports", content=body, headers={"x-api-key": mine.key})

    assert (400, code, field) == (answer.status_code, answer.json()["code"], answer.json().get("field"))


async def test_exports_are_for_keys_that_read(gateway: Gateway, filled: Reader, foreign: Reader) -> None:
    """Nobody sees how another tenant's export stands, nor an export that there is not."""
    answer = await export(filled, table="events")
    name = answer.headers["tidegauge-export"]
    unknown = [
        await of.ask(f"/v1/exports/{path}")
        for of, path in ((foreign, name), (filled, "0" * 32), (filled, "x" * 99))
    ]
    async with httpx2.AsyncClient(base_url=gateway.query_url, timeout=30) as client:
        refused = [
            await client.post("/v1/exports", json={"table": "events"}, headers=headers)
            for headers in ({}, {"x-api-key": "write"}, {"x-api-key": "nobody"})
        ]
        there = await client.get(f"/v1/exports/{name}")

    assert [(404, "unknown_export")] * 3 == [(one.status_code, one.json()["code"]) for one in unknown]
    assert [401, 403, 401, 401] == [one.status_code for one in (*refused, there)]


async def test_an_intake_says_where_to_ask(gateway: Gateway) -> None:
    """421, with the address of the queries."""
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=30) as client:
        answer = await client.post("/v1/exports", json={"table": "events"}, headers={"x-api-key": "read"})

    assert (421, f"{gateway.query_url}/v1/exports") == (answer.status_code, answer.json()["ask"])


async def test_http_1_0_is_refused(mine: Reader) -> None:
    """There a cut looks like an end."""
    url = httpx2.URL(mine.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = b'{"table":"events"}'
    writer.write(
        b"POST /v1/exports HTTP/1.0\r\nX-API-Key: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (mine.key.encode(), len(body), body)
    )
    answer = await reader.read()
    writer.close()

    assert b"needs_http_1_1" in answer
    assert answer.startswith(b"HTTP/1.1 400")


_SUMS = """
SELECT count(*), sum(count), count(samples), max(sum), min(window_start), count(DISTINCT labels) FROM {} {}
"""


def in_duckdb(path: Path, name: str) -> tuple[Any, ...]:
    """What DuckDB makes of a file."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    source = f"'{path}'"
    if name == "arrow":
        database.register("rows", pa.ipc.open_file(path.read_bytes()).read_all())
        source = "rows"
    found: tuple[Any, ...] = database.execute(_SUMS.format(source, "")).fetchall()[0]
    # Of JSON it makes a TIMESTAMP, which is UTC and bears no zone.
    return (*found[:4], found[4] if found[4].tzinfo else found[4].replace(tzinfo=UTC), found[5])


def in_pandas(path: Path, name: str) -> tuple[Any, ...]:
    """What pandas makes of a file."""
    read: dict[str, Callable[[], Any]] = {
        "csv": lambda: pd.read_csv(path, parse_dates=["window_start"]),
        "jsonl": lambda: pd.read_json(path, lines=True),
        "parquet": lambda: pd.read_parquet(path),
        "arrow": lambda: pa.ipc.open_file(path.read_bytes()).read_all().to_pandas(),
    }
    rows = read[name]()
    labels = rows["labels"].map(str).nunique()
    begin = pd.to_datetime(rows["window_start"]).min()
    return len(rows), rows["count"].sum(), rows["samples"].count(), rows["sum"].max(), begin, labels


def in_polars(path: Path, name: str) -> tuple[Any, ...]:
    """What polars makes of a file."""
    read: dict[str, Callable[[], Any]] = {
        "csv": lambda: pl.read_csv(path, try_parse_dates=True),
        "jsonl": lambda: pl.read_ndjson(path),
        "parquet": lambda: pl.read_parquet(path),
        "arrow": lambda: pl.read_ipc(path),
    }
    rows = read[name]()
    begin = rows["window_start"].min()
    begin = datetime.fromisoformat(begin) if isinstance(begin, str) else begin
    labels = len({str(each) for each in rows["labels"].to_list()})
    return rows.height, rows["count"].sum(), rows["samples"].count(), rows["sum"].max(), begin, labels


@pytest.mark.parametrize("read", [in_duckdb, in_pandas, in_polars], ids=lambda read: str(read.__name__))
@pytest.mark.parametrize("name", FORMATS)
async def test_what_analysts_use_reads_every_format_as_sql_does(
    filled: Reader, stack: Stack, tmp_path: Path, name: str, read: Callable[[Path, str], tuple[Any, ...]]
) -> None:
    """Rows, sums to the last bit, nulls, times in UTC, labels."""
    answer = await export(filled, table="windows", format=name)
    path = tmp_path / f"rows.{name}"
    await asyncio.to_thread(path.write_bytes, answer.content)
    found = await asyncio.to_thread(read, path, name)
    conn = await asyncpg.connect(stack.postgres)
    join = "JOIN series USING (series_id) WHERE tenant_id = $1"
    expected = tuple(await conn.fetchrow(_SUMS.format("rollup_1m", join), filled.tenant_id))
    await conn.close()

    assert expected == (found[0], pytest.approx(found[1], rel=1e-12), *found[2:])
