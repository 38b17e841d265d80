"""A dashboard as Grafana reads it from a file."""

from typing import Any

from deploy.grafana.panels import FAIR, GOOD, POOR, Dashboard, Panel, Query, Variable, placed

SCHEMA_VERSION = 39
"""Of Grafana 11; later releases read it."""

SOURCES = {
    "tidegauge": {"type": "prometheus", "uid": "tidegauge"},
    "services": {"type": "prometheus", "uid": "tidegauge-services"},
    "sql": {"type": "postgres", "uid": "tidegauge-sql"},
}
"""The sources that are provisioned."""

UNITS = {
    "s": "s", "ms": "ms", "share": "percentunit", "per second": "cps", "per minute": "cpm",
    "bytes per second": "Bps", "number": "short",
}  # fmt: skip
TYPES = {"lines": "timeseries", "figure": "stat", "bars": "barchart", "table": "table"}


def dashboard(made: Dashboard) -> dict[str, Any]:
    """The file of a dashboard."""
    return {
        "uid": made.name,
        "title": f"Tidegauge: {made.title}",
        "description": made.answers,
        "tags": ["tidegauge"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_variable(each) for each in made.variables]},
        "annotations": {"list": []},
        "panels": [
            _panel(number, panel) | {"gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}}
            for number, (x, y, panel) in enumerate(placed(made.panels), 1)
        ],
    }


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.of}, {variable.name})"
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCES["tidegauge"],
        "query": {"query": query, "refId": "values"},
        "definition": query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.says,
        "type": TYPES[panel.kind],
        "datasource": SOURCES[panel.source],
        "targets": [
            _target(panel, chr(ord("A") + place), query) for place, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "transformations": _transformations(panel),
    }


def _target(panel: Panel, letter: str, query: Query) -> dict[str, Any]:
    source = SOURCES[panel.source]
    if panel.source == "sql":
        shape = "time_series" if panel.kind == "lines" else "table"
        return {"refId": letter, "datasource": source, "rawSql": query.text, "rawQuery": True, "format": shape,
                "editorMode": "code"}  # fmt: skip
    is_instant = panel.kind in {"bars", "table"}
    return {
        "refId": letter, "datasource": source, "expr": query.text, "editorMode": "code",
        "legendFormat": query.legend or "__auto", "instant": is_instant, "range": not is_instant,
        "format": "table" if is_instant else "time_series",
    }  # fmt: skip


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": GOOD, "value": None}]
    if panel.limits:
        steps += [
            {"color": color, "value": limit} for color, limit in zip((FAIR, POOR), panel.limits, strict=True)
        ]
    defaults: dict[str, Any] = {
        "unit": UNITS[panel.unit], "min": 0, "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.kind == "figure" else "palette-classic"},
    }  # fmt: skip
    if panel.kind == "lines":
        defaults["custom"] = {
            "lineWidth": 1, "fillOpacity": 20 if panel.is_stacked else 0, "showPoints": "auto", "spanNulls": False,
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
        }  # fmt: skip
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "figure":
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area", "textMode": "value"}
    if panel.kind == "bars":
        return {"orientation": "horizontal", "legend": {"showLegend": False}, "showValue": "auto"}
    if panel.kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """A table of instants shows labels and value, without the time that is the same in all rows."""
    if panel.source == "sql" or panel.kind not in {"bars", "table"}:
        return []
    return [
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True}, "renameByName": {"Value": panel.title}},
        }
    ]
