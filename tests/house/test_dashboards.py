"""The files of dashboards are what their one source says, in the forms that Grafana and Perses read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import to_grafana, to_perses
from deploy.grafana.__main__ import files
from deploy.grafana.pages import DASHBOARDS
from deploy.grafana.panels import Dashboard, placed

PLUGINS = {
    "TimeSeriesChart": {"yAxis", "legend", "visual", "thresholds"},
    "StatChart": {"calculation", "format", "sparkline", "thresholds"},
    "BarChart": {"calculation", "format", "sort"},
    "TimeSeriesTable": set(),
}
"""Panels of Perses, and those of their fields that are used."""

EACH = pytest.mark.parametrize("made", [pytest.param(each, id=each.name) for each in DASHBOARDS])


def test_each_file_is_as_its_source_says(root: Path) -> None:
    """`python -m deploy.grafana` writes them; no file is left over."""
    written = dict(files())
    found = {
        path
        for folder in ("grafana/dashboards", "perses/resources")
        for path in (root / "deploy" / folder).iterdir()
    }

    assert {path for path, text in written.items() if path.read_text() != text} == set()
    assert found - set(written) == {root / "deploy/perses/resources/sources.json"}
    assert len(DASHBOARDS) == 6


@EACH
def test_no_two_panels_lie_on_each_other(made: Dashboard) -> None:
    """Each cell of the page has one panel, and none is wider than the page."""
    cells = [
        (column, row)
        for x, y, panel in placed(made.panels)
        for column in range(x, x + panel.width)
        for row in range(y, y + panel.height)
    ]

    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24


@EACH
def test_grafana_finds_what_a_panel_names(root: Path, made: Dashboard) -> None:
    """Sources that are provisioned, letters of queries that are unique, ids that are."""
    path = root / "deploy/grafana/provisioning/datasources/tidegauge.yml"
    sources = {each["uid"]: each["type"] for each in yaml.safe_load(path.read_text())["datasources"]}
    panels = to_grafana.dashboard(made)["panels"]
    targets = [target for panel in panels for target in panel["targets"]]

    assert {
        each["datasource"]["uid"]: each["datasource"]["type"] for each in (*panels, *targets)
    }.items() <= sources.items()
    assert len({panel["id"] for panel in panels}) == len(panels) == len(made.panels)
    for panel in panels:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EACH
def test_perses_finds_what_a_panel_names(root: Path, made: Dashboard) -> None:
    """Sources, plug-ins and their fields; each panel is laid out once."""
    resources = json.loads((root / "deploy/perses/resources/sources.json").read_text())
    names = {each["metadata"]["name"] for each in resources if each["kind"] == "GlobalDatasource"}
    shown = to_perses.dashboard(made)
    spec: dict[str, Any] = shown["spec"]
    plugins = {
        panel["spec"]["plugin"]["kind"]: panel["spec"]["plugin"]["spec"] for panel in spec["panels"].values()
    }
    queries = [
        query["spec"]["plugin"] for panel in spec["panels"].values() for query in panel["spec"]["queries"]
    ]
    laid = [item["content"]["$ref"] for layout in spec["layouts"] for item in layout["spec"]["items"]]

    assert ("Dashboard", to_perses.PROJECT) == (shown["kind"], shown["metadata"]["project"])
    assert re.fullmatch(r"[a-zA-Z0-9_.-]+", shown["metadata"]["name"])
    assert {kind for kind, fields in plugins.items() if not fields.keys() <= PLUGINS[kind]} == set()
    assert {query["kind"] for query in queries} == {"PrometheusTimeSeriesQuery"}
    assert {query["spec"]["datasource"]["name"] for query in queries} <= names
    assert sorted(laid) == sorted(f"#/spec/panels/{key}" for key in spec["panels"])


@EACH
def test_both_ask_the_same(made: Dashboard) -> None:
    """Panel by panel, but for those in SQL, which Perses cannot ask."""
    grafana = [
        (panel["title"], [target["expr"] for target in panel["targets"]])
        for panel in to_grafana.dashboard(made)["panels"]
        if panel["datasource"]["uid"] != "tidegauge-sql"
    ]
    perses = [
        (
            panel["spec"]["display"]["name"],
            [query["spec"]["plugin"]["spec"]["query"] for query in panel["spec"]["queries"]],
        )
        for panel in to_perses.dashboard(made)["spec"]["panels"].values()
    ]

    assert grafana == perses


def test_grafana_asks_as_it_should(root: Path) -> None:
    """Forms, windows of 10 s, a plain Prometheus, and no old answer kept: a revision would never be seen."""
    path = root / "deploy/grafana/provisioning/datasources/tidegauge.yml"
    ours = yaml.safe_load(path.read_text())["datasources"][0]

    assert ("Tidegauge", True, "${TIDEGAUGE_QUERY_URL}/prometheus") == (
        ours["name"],
        ours["isDefault"],
        ours["url"],
    )
    assert {
        "httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": "10s", "incrementalQuerying": False,
    } == ours["jsonData"]  # fmt: skip


def test_what_provisioning_reads_from_the_environment_is_set(root: Path) -> None:
    """By docker-compose.yml."""
    text = (root / "deploy/grafana/provisioning/datasources/tidegauge.yml").read_text()
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]

    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(compose["grafana"]["environment"])
