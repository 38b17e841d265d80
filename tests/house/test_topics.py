"""The topics as declared, as documented and as used agree."""

import re
from pathlib import Path

from shared.wire.topics import TOPICS

SERVICES = {"gateway", "ingest", "aggregator", "alerts"}


def test_every_topic_bears_its_version() -> None:
    """A new meaning is a new topic, so the version is part of the name, and no name stands twice."""
    names = [topic.name for topic in TOPICS]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"telemetry\.[a-z]+\.v[1-9][0-9]*", name)] == []


def test_only_services_touch_topics() -> None:
    """Writers and readers are services of the design, each named once; every topic has a writer."""
    for topic in TOPICS:
        assert {*topic.writers, *topic.readers, *topic.followers} <= SERVICES
        assert len(set(topic.writers)) == len(topic.writers) > 0
        assert len(set(topic.readers)) == len(topic.readers)


def test_the_architecture_knows_every_topic(root: Path) -> None:
    """The table of topics has one row a topic, with its writers and readers."""
    rows = [
        [cell.strip(" `") for cell in line.strip().strip("|").split("|")]
        for line in (root / "docs/ARCHITECTURE.md").read_text().splitlines()
        if line.startswith("| `telemetry.")
    ]
    expected = {
        topic.name: [", ".join(topic.writers), ", ".join(topic.readers + topic.followers) or "none"]
        for topic in TOPICS
    }

    assert {row[0]: row[1:3] for row in rows} == expected


def test_no_other_topic_is_named_in_code(root: Path) -> None:
    """A topic's name is written once, where it is declared."""
    strays = [
        path.relative_to(root).as_posix()
        for folder in ("services", "shared", "deploy")
        for path in sorted((root / folder).rglob("*.py"))
        if path != root / "shared/wire/topics.py"
        and re.search(r'["\']telemetry\.[a-z]+\.v\d', path.read_text())
    ]

    assert strays == []
