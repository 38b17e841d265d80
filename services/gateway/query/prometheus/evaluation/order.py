"""The order of the series of an answer: by their values where the query says so last, else by their labels.

It is that of Prometheus: NaN is last whichever way values go, and `topk` orders each of its groups by itself.
"""

from services.gateway.query.prometheus.evaluation.aggregations import group_of
from services.gateway.query.prometheus.evaluation.vectors import Vector
from services.gateway.query.prometheus.language import plan
from shared.model.labels import Labels

_DESCENDING = {"sort": False, "sort_desc": True, "topk": True, "bottomk": False}


def ordered(node: plan.Node, vector: Vector) -> list[int]:
    """The rows of a vector, which are ascending by labels, in the order of the answer: NaN is last.

    `topk` and `bottomk` order each group by itself.
    """
    rows = range(len(vector.labels))
    name = node.function if isinstance(node, plan.Call) else getattr(node, "operation", "")
    if name not in _DESCENDING or vector.values.shape[1] != 1:
        return list(rows)
    sign = -1 if _DESCENDING[name] else 1
    numbers = vector.values[:, 0].tolist()
    groups: dict[Labels, int] = {}
    group = [
        groups.setdefault(group_of(node, labels) if isinstance(node, plan.Aggregation) else (), len(groups))
        for labels in vector.labels
    ]
    return sorted(rows, key=lambda row: (group[row], numbers[row] != numbers[row], sign * numbers[row]))
