"""Programs and libraries that fetch an export, as people use them: each raises when it notices that a file is cut.

None is told anything of the gateway's promises. A program that is not installed here is left out by its tests.
"""

import asyncio
import http.client
import json
import shutil
import sys
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import duckdb
import httpx2
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import requests
import urllib3

from deploy.local.folder import ROOT

TIMEOUT_S = 60

BODY = {"table": "windows", "resolution": "1m"}


class Noticed(Exception):
    """A program ended with an exit code that says so."""


@dataclass(frozen=True)
class Fetch:
    """What is to be fetched."""

    url: str
    key: str
    form: str
    folder: Path

    @property
    def address(self) -> str:
        """Of exports."""
        return f"{self.url}/v1/exports"

    @property
    def body(self) -> dict[str, str]:
        """What is asked for."""
        return BODY | {"format": self.form}

    @property
    def content(self) -> bytes:
        """The same as bytes."""
        return json.dumps(self.body).encode()

    @property
    def headers(self) -> dict[str, str]:
        """With which it is asked for."""
        return {"x-api-key": self.key, "content-type": "application/json"}

    @property
    def path(self) -> Path:
        """Where a program puts it."""
        return self.folder / f"export.{self.form}"


Client = Callable[[Fetch], Awaitable[None]]


async def program(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a program; raise `Noticed` unless it says that all is well."""
    process = await asyncio.create_subprocess_exec(*words, cwd=cwd, env=env, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    if process.returncode:
        raise Noticed(
            f"exit code {process.returncode}: {err.decode()[-500:]}{out.decode(errors='replace')[-200:]}"
        )


async def httpx_stream(asked: Fetch) -> None:
    """With httpx, bit by bit."""
    async with (
        httpx2.AsyncClient(timeout=TIMEOUT_S) as client,
        client.stream("POST", asked.address, json=asked.body, headers=asked.headers) as answer,
    ):
        async for _ in answer.aiter_bytes():
            pass


def httpx_whole(asked: Fetch) -> None:
    """With httpx, at once."""
    assert httpx2.post(asked.address, json=asked.body, headers=asked.headers, timeout=TIMEOUT_S).content


async def aiohttp_read(asked: Fetch) -> None:
    """With aiohttp."""
    async with (
        aiohttp.ClientSession() as client,
        client.post(asked.address, json=asked.body, headers=asked.headers) as answer,
    ):
        assert await answer.read()


def urllib_read(asked: Fetch) -> None:
    """Python's own."""
    request = urllib.request.Request(asked.address, asked.content, asked.headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        assert answer.read()


def http_client_parts(asked: Fetch) -> None:
    """Python's own, one layer below, bit by bit."""
    place = urlsplit(asked.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
    with closing(connection):
        connection.request("POST", "/v1/exports", asked.content, asked.headers)
        answer = connection.getresponse()
        while answer.read(1 << 16):
            pass


def requests_stream(asked: Fetch) -> None:
    """With requests, bit by bit."""
    with requests.post(
        asked.address, json=asked.body, headers=asked.headers, stream=True, timeout=TIMEOUT_S
    ) as answer:
        for _ in answer.iter_content(1 << 16):
            pass


def requests_whole(asked: Fetch) -> None:
    """With requests, at once."""
    assert requests.post(asked.address, json=asked.body, headers=asked.headers, timeout=TIMEOUT_S).content


def urllib3_whole(asked: Fetch) -> None:
    """With urllib3; it repeats no POST by itself."""
    with urllib3.PoolManager() as client:
        assert client.request("POST", asked.address, body=asked.content, headers=asked.headers).data


def _headers(asked: Fetch) -> list[str]:
    return [word for name, value in asked.headers.items() for word in ("-H", f"{name}: {value}")]


async def curl_file(asked: Fetch) -> None:
    """With curl into a file."""
    await program(
        "curl", "-sS", *_headers(asked), "-d", asked.content.decode(), "-o", str(asked.path), asked.address
    )


async def curl_pipe(asked: Fetch) -> None:
    """With curl into a pipe; the shell says what went wrong in it."""
    words = ("curl", "-sS", *_headers(asked), "-d", asked.content.decode(), asked.address)
    await program("bash", "-c", 'set -o pipefail; "$@" | cat > /dev/null', "bash", *words)


async def wget_file(asked: Fetch) -> None:
    """With wget; it would ask again, for another snapshot."""
    words = [f"--header={name}: {value}" for name, value in asked.headers.items()]
    words += [f"--post-data={asked.content.decode()}", "-O", str(asked.path), asked.address]
    await program("wget", "-q", "--tries=1", *words)


_FETCH = "const [url, key, body] = process.argv.slice(1); const headers = {'x-api-key': key};"

NODE = {
    "text": _FETCH + "await (await fetch(url, {method: 'POST', headers, body})).text();",
    "stream": _FETCH + "for await (const _ of (await fetch(url, {method: 'POST', headers, body})).body) {}",
    "http": "import http from 'node:http';" + _FETCH + """
        await new Promise((resolve, reject) => {
            const asked = http.request(url, {method: 'POST', headers}, (answer) => {
                answer.on('error', reject); answer.on('end', resolve); answer.resume();
            });
            asked.on('error', reject); asked.end(body);
        });""",
}  # fmt: skip
"""Programs for Node."""


def node(name: str) -> Client:
    """Node, with one of its programs."""

    async def fetch(asked: Fetch) -> None:
        script = ("--input-type=module", "-e", NODE[name], "--")
        await program("node", *script, asked.address, asked.key, asked.content.decode())

    return fetch


_JAVA = """
import java.net.URI;
import java.net.http.*;
public class Fetch {
    public static void main(String[] words) throws Exception {
        var asked = HttpRequest.newBuilder(URI.create(words[0])).header("x-api-key", words[1])
            .version(HttpClient.Version.HTTP_1_1).POST(HttpRequest.BodyPublishers.ofString(words[2])).build();
        var answer = HttpClient.newHttpClient().send(asked, HttpResponse.BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) throw new RuntimeException("" + answer.statusCode());
    }
}
"""


async def java(asked: Fetch) -> None:
    """Java's HttpClient."""
    source = asked.folder / "Fetch.java"
    await asyncio.to_thread(source.write_text, _JAVA)
    await program("java", str(source), asked.address, asked.key, asked.content.decode())


async def tidegauge(asked: Fetch) -> None:
    """Our own command, which leaves no file under its name that is not whole."""
    environ = {"TIDEGAUGE_QUERY_URL": asked.url, "TIDEGAUGE_READ_KEY": asked.key, "PYTHONPATH": str(ROOT)}
    words = ("export", "windows", "--format", asked.form, "-o", str(asked.path))
    await program(sys.executable, "-c", "from deploy.cli import app; app()", *words, env=environ)
    assert asked.path.exists()


def reading(read: Callable[[Path], Any]) -> Client:
    """Someone who heeds no exit code and opens what there is."""

    async def fetch(asked: Fetch) -> None:
        words = (
            "curl",
            "-sS",
            *_headers(asked),
            "-d",
            asked.content.decode(),
            "-o",
            str(asked.path),
            asked.address,
        )
        process = await asyncio.create_subprocess_exec(*words, stderr=PIPE)
        await process.communicate()
        await asyncio.to_thread(read, asked.path)

    return fetch


def in_thread(fetch: Callable[[Fetch], None]) -> Client:
    """A client that blocks."""

    async def fetching(asked: Fetch) -> None:
        await asyncio.to_thread(fetch, asked)

    return fetching


CLIENTS: Mapping[str, tuple[str, Client]] = {
    "httpx, in parts": ("csv", httpx_stream),
    "httpx, whole": ("jsonl", in_thread(httpx_whole)),
    "aiohttp": ("parquet", aiohttp_read),
    "urllib": ("csv", in_thread(urllib_read)),
    "http.client": ("arrow", in_thread(http_client_parts)),
    "requests, in parts": ("csv", in_thread(requests_stream)),
    "requests, whole": ("parquet", in_thread(requests_whole)),
    "urllib3": ("jsonl", in_thread(urllib3_whole)),
    "curl": ("csv", curl_file),
    "curl in a pipe": ("jsonl", curl_pipe),
    "wget": ("csv", wget_file),
    "node, fetch": ("csv", node("text")),
    "node, fetch in parts": ("parquet", node("stream")),
    "node, http": ("jsonl", node("http")),
    "java": ("csv", java),
    "tidegauge export, text": ("csv", tidegauge),
    "tidegauge export, columns": ("parquet", tidegauge),
    "pyarrow on a cut file": ("parquet", reading(pq.read_table)),
    "pyarrow on a cut file of Arrow": ("arrow", reading(lambda path: pa.ipc.open_file(pa.memory_map(str(path))))),
    "DuckDB on a cut file": ("parquet", reading(lambda path: duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall())),
    "pandas on a cut file": ("parquet", reading(pd.read_parquet)),
    "polars on a cut file": ("parquet", reading(pl.read_parquet)),
    "polars on a cut file of Arrow": ("arrow", reading(pl.read_ipc)),
}  # fmt: skip
"""Clients by name, each with the format that it asks for."""


def missing(name: str) -> str:
    """The program that a client needs and this machine lacks, empty: none."""
    needed = {"wget": "wget", "node": "node", "java": "javac", "curl": "curl"}
    programs = [needed[word] for word in needed if name.startswith(word)] or ["curl"] * ("cut file" in name)
    return next((program for program in programs if shutil.which(program) is None), "")
