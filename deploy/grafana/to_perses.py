"""A dashboard as Perses reads it from a file. It has no source for SQL, so those panels are left out."""

from typing import Any

from deploy.grafana.panels import FAIR, POOR, Dashboard, Panel, Query, Variable, placed

PROJECT = "tidegauge"

SOURCES = {"tidegauge": "tidegauge", "services": "tidegauge-services"}
"""Names of the global sources."""

UNITS: dict[str, dict[str, Any]] = {
    "s": {"unit": "seconds"}, "ms": {"unit": "milliseconds"}, "share": {"unit": "percent-decimal"},
    "per second": {"unit": "counts/sec"}, "per minute": {"unit": "decimal", "shortValues": True},
    "bytes per second": {"unit": "bytes/sec"}, "number": {"unit": "decimal", "shortValues": True},
}  # fmt: skip


def dashboard(made: Dashboard) -> dict[str, Any]:
    """The file of a dashboard."""
    panels = tuple(panel for panel in made.panels if panel.source != "sql")
    keys = [f"panel-{number}" for number in range(1, len(panels) + 1)]
    return {
        "kind": "Dashboard",
        "metadata": {"name": made.name, "project": PROJECT},
        "spec": {
            "display": {"name": made.title, "description": made.answers},
            "duration": "1h",
            "refreshInterval": "10s",
            "variables": [_variable(each) for each in made.variables],
            "panels": {key: _panel(panel) for key, panel in zip(keys, panels, strict=True)},
            "layouts": [
                {
                    "kind": "Grid",
                    "spec": {
                        "items": [
                            {
                                "x": x, "y": y, "width": panel.width, "height": panel.height,
                                "content": {"$ref": f"#/spec/panels/{key}"},
                            }
                            for key, (x, y, panel) in zip(keys, placed(panels), strict=True)
                        ]
                    },
                }
            ],
        },
    }  # fmt: skip


def _source(name: str) -> dict[str, str]:
    return {"kind": "PrometheusDatasource", "name": SOURCES[name]}


def _variable(variable: Variable) -> dict[str, Any]:
    plugin = {
        "kind": "PrometheusLabelValuesVariable",
        "spec": {"datasource": _source("tidegauge"), "labelName": variable.name, "matchers": [variable.of]},
    }
    return {
        "kind": "ListVariable",
        "spec": {
            "name": variable.name, "display": {"name": variable.label}, "allowMultiple": True, "allowAllValue": True,
            "customAllValue": ".*", "defaultValue": "$__all", "plugin": plugin,
        },
    }  # fmt: skip


def _panel(panel: Panel) -> dict[str, Any]:
    kind, spec = _plugin(panel)
    return {
        "kind": "Panel",
        "spec": {
            "display": {"name": panel.title, "description": panel.says},
            "plugin": {"kind": kind, "spec": spec},
            "queries": [_query(panel, query) for query in panel.queries],
        },
    }


def _query(panel: Panel, query: Query) -> dict[str, Any]:
    spec: dict[str, Any] = {"datasource": _source(panel.source), "query": query.text}
    if query.legend:
        spec["seriesNameFormat"] = query.legend
    return {
        "kind": "TimeSeriesQuery",
        "spec": {"plugin": {"kind": "PrometheusTimeSeriesQuery", "spec": spec}},
    }


def _plugin(panel: Panel) -> tuple[str, dict[str, Any]]:
    form, thresholds = UNITS[panel.unit], _thresholds(panel)
    if panel.kind == "figure":
        return "StatChart", {"calculation": "last-number", "format": form, "sparkline": {}, **thresholds}
    if panel.kind == "bars":
        return "BarChart", {"calculation": "last-number", "format": form, "sort": "desc"}
    if panel.kind == "table":
        return "TimeSeriesTable", {}
    visual = {"stack": "all", "areaOpacity": 0.2} if panel.is_stacked else {}
    legend = {"position": "bottom", "mode": "table", "values": ["last-number", "max"]}
    return "TimeSeriesChart", {
        "yAxis": {"format": form, "min": 0},
        "legend": legend,
        "visual": visual,
        **thresholds,
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    if not panel.limits:
        return {}
    steps = [
        {"value": limit, "color": color} for limit, color in zip(panel.limits, (FAIR, POOR), strict=True)
    ]
    return {"thresholds": {"steps": steps}}
