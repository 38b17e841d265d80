"""What tells alerts apart: the labels that are told of one, and the 128 bits that name it.

Invariant: alerts of one rule that differ in their series differ in their labels, and so in their ids; the database
computes the same ids (`alert_id_of`). A fingerprint has 64 bits, can be made to collide, and names nothing here.
"""

from collections.abc import Mapping
from hashlib import sha256

OF_SERIES = ("metric", "kind", "unit")
"""Labels that tell series with equal labels apart."""

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1

EXPORTED = "exported_"
"""Stands before a label of a series whose name is taken, as Prometheus has it."""


def labels_with(series: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The labels of a series with those that are given to its alerts; none replaces another.

    A name that is taken, and one that looks as if it had been, moves by equally many `exported_`: so no two meet.
    """
    bare = {_bare(name) for name in given}
    moved = EXPORTED * max((_depth(name) + 1 for name in given), default=0)
    renamed = {moved + name if _bare(name) in bare else name: value for name, value in series.items()}
    return renamed | dict(given)


def _depth(name: str) -> int:
    """How many `exported_` a name begins with."""
    depth = 0
    while name.startswith(EXPORTED, depth * len(EXPORTED)):
        depth += 1
    return depth


def _bare(name: str) -> str:
    return name[_depth(name) * len(EXPORTED) :]


def alert_id(tenant_id: int, rule: str, labels: Mapping[str, str]) -> str:
    """32 hex digits that name the alert of a rule with these labels."""
    words = [str(tenant_id), rule, *(word for pair in sorted(labels.items()) for word in pair)]
    return sha256("".join(f"{word}\0" for word in words).encode()).digest()[:16].hex()


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits that Alertmanager gives to these labels: FNV-1a of 64 bits over them, sorted."""
    digest = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
            digest = ((digest ^ byte) * _PRIME) & _MASK
    return f"{digest:016x}"


def placement(labels: Mapping[str, str]) -> str:
    """What places an alert in a partition: its fingerprint without what only tells series apart.

    So it stays where builds that do not tell that have placed it, whichever build tells of its next episode.
    """
    if not {"metric", "kind"} <= labels.keys():
        return fingerprint(labels)
    plain = {name: value for name, value in labels.items() if name not in OF_SERIES}
    for name in OF_SERIES:
        if name in labels and EXPORTED + name in plain:
            plain[name] = plain.pop(EXPORTED + name)
    for name in ("alertname", "tenant"):
        plain.pop(EXPORTED + name, None)
    return fingerprint(plain)
