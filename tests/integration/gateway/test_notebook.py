"""The notebook of the documents runs as it is printed, and DuckDB, pandas and polars agree with SQL."""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from deploy.local.folder import ROOT
from shared.model import sketch
from shared.model.series import Series
from shared.postgres import connections
from shared.runtime.clock import now_ms
from tests.support.folded import FoldedPartition
from tests.support.http.gateway import Gateway
from tests.support.http.reader import Reader
from tests.support.points import Dot

pytestmark = pytest.mark.servers

NOTEBOOKS = ROOT / "docs/notebooks"
QS = (0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with what lies beside the notebook, from which it runs."""
    for name in ("sketch.sql", "sketch_polars.py"):
        (tmp_path / name).write_text((NOTEBOOKS / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return tmp_path


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder."""
    return list(folder.iterdir())


async def test_the_notebook_runs(
    monkeypatch: pytest.MonkeyPatch, beside: Path, mine: Reader, gateway: Gateway, pool: connections.Pool
) -> None:
    """Cell by cell, against points of a day; its quantiles are within 1 % of those of the points."""
    now = now_ms()
    routes = [
        Series(mine.tenant_id, "api.response_seconds", "delta", "s", (("endpoint", name),)) for name in "ab"
    ]
    random = np.random.default_rng(5)
    dots = [
        Dot(route, now - 20 * 3_600_000 + minute * 600_000, round(float(random.lognormal(0, 1)), 3) + 0.001)
        for route in routes
        for minute in range(110)
    ]
    await FoldedPartition(pool, gateway.topic, 0).fold_in_time(dots, now - 60_000)
    monkeypatch.setenv("TIDEGAUGE_QUERY_URL", mine.url)
    monkeypatch.setenv("TIDEGAUGE_READ_KEY", mine.key)
    cells = json.loads((NOTEBOOKS / "export.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        assert [] == cell["outputs"]
    found = dict(names["p95"].iter_rows())
    assert {"windows.parquet", "question.csv"} <= {path.name for path in files_in(beside)}
    assert {"a", "b"} == set(found)
    for route in routes:
        exact = np.quantile([dot.value for dot in dots if dot.series == route], 0.95)
        assert abs(found[route.labels[0][1]] / exact - 1) <= 0.01


def sketches(count: int) -> list[tuple[int, list[int], list[float], float, float]]:
    """Sketches of a few values each: of one value, with zeros, with negative ones, and of other weights than 1."""
    random = np.random.default_rng(3)
    found = []
    for number in range(count):
        size = int(random.integers(1, 60))
        values = random.lognormal(0, 1.5, size) * random.choice([1, 1, 1, -1], size)
        if number % 7 == 0:
            values[: size // 2] = 0
        if number % 5 == 0:
            values[:] = values[0]
        weights = random.choice([1.0, 1.0, 0.5, 2.0], size) if number % 3 == 0 else np.ones(size)
        bucket, weight = sketch.merge(sketch.buckets_of(values), weights)
        found.append((number, bucket.tolist(), weight.tolist(), float(values.min()), float(values.max())))
    return found


@pytest.mark.parametrize("q", QS)
def test_quantiles_in_duckdb_and_polars_are_ours(beside: Path, q: float) -> None:
    """Of merged sketches, to the last digits."""
    sketch_quantile = __import__("sketch_polars").sketch_quantile
    given = sketches(100)
    columns = {
        "part": pl.Int32,
        "bucket": pl.List(pl.Int16),
        "weight": pl.List(pl.Float64),
        "min": pl.Float64,
        "max": pl.Float64,
    }
    frame = pl.DataFrame(given, schema=columns, orient="row").with_columns(group=pl.col("part") % 20)
    database = duckdb.connect()
    database.execute((beside / "sketch.sql").read_text())
    database.register("frame", frame.to_arrow())
    asked = f"sketch_quantile(flatten(list(bucket)), flatten(list(weight)), {q}, min(min), max(max))"
    in_duckdb = dict(database.execute(f'SELECT "group", {asked} FROM frame GROUP BY "group"').fetchall())
    in_polars = dict(sketch_quantile(frame, q, ["group"]).iter_rows())

    for group in range(20):
        parts = [one for one in given if one[0] % 20 == group]
        merged = sketch.merge(*(np.concatenate([np.array(one[place]) for one in parts]) for place in (1, 2)))
        ends = min(one[3] for one in parts), max(one[4] for one in parts)
        ours = sketch.quantile(merged[0].astype(np.int16), merged[1], q, *ends)
        assert (
            ours == pytest.approx(in_duckdb[group], rel=1e-12) == pytest.approx(in_polars[group], rel=1e-12)
        )
