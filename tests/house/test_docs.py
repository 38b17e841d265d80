"""The documents say what is there: the tree, the settings, the topics and the words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.wire.topics import TOPICS

REFUSED = {
    "tag", "tags", "datapoint", "datapoints", "granularity", "bin", "bins", "dimension", "dimensions", "dlq",
    "incident", "incidents", "snooze", "cutoff", "aggregates", "throttle",
}  # fmt: skip
"""Synonyms of the glossary that no identifier and no column uses."""


PLAIN = ("bench", "clients", "deploy", "services", "shared", "tests")
"""Folders whose modules say "Invariant:" where a test holds one, and nothing where there is none."""


def code(root: Path) -> Iterator[Path]:
    """The modules whose words count."""
    for folder in ("services", "shared"):
        yield from sorted((root / folder).rglob("*.py"))


def services(root: Path) -> list[Path]:
    """The folders of the services that can be started."""
    return sorted(path.parent for path in root.glob("services/*/__main__.py"))


def names_in(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives: functions, classes, parameters, variables, attributes it sets."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def words_of(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def test_the_tree_in_the_architecture_is_the_tree_on_disk(root: Path) -> None:
    """Each folder named exists; each package of the services and of shared is named."""
    text = (root / "docs/ARCHITECTURE.md").read_text()
    block = re.search(r"## The tree\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block, "docs/ARCHITECTURE.md has no section 'The tree' with a fenced block"
    named = set(re.findall(r"^([\w./-]+)/ ", block[1], re.MULTILINE))
    packages = {path.parent for folder in ("services", "shared") for path in root.glob(f"{folder}/**/*.py")}

    assert {name for name in named if not (root / name).is_dir()} == set()
    assert {path.relative_to(root).as_posix() for path in packages} - named == set()


def fields_of(module: Path) -> Iterator[str]:
    """The annotated fields of the classes of a module."""
    for node in ast.parse(module.read_text()).body:
        for field in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                yield field.target.id


def test_a_readme_names_every_setting(root: Path) -> None:
    """Whoever runs a service finds each knob in its README, as `field` or as its variable."""
    unnamed = [
        f"{service.name}: {field}"
        for service in services(root)
        for field in fields_of(service / "settings.py")
        if not re.search(rf"`{field}`|\b[A-Z_]+_{field.upper()}\b", (service / "README.md").read_text())
    ]

    assert unnamed == []


def test_a_readme_names_every_topic_that_its_service_touches(root: Path) -> None:
    """Whoever runs a service finds its topics in its README."""
    unnamed = [
        f"{service.name}: {topic.name}"
        for service in services(root)
        for topic in TOPICS
        if service.name in topic.writers + topic.readers
        and topic.name not in (service / "README.md").read_text()
    ]

    assert unnamed == []


def test_identifiers_keep_to_the_glossary(root: Path) -> None:
    """One word an idea: a synonym that the glossary refuses names nothing."""
    refused = [
        f"{path.relative_to(root)}: {name}"
        for path in code(root)
        for name in names_in(ast.parse(path.read_text()))
        if words_of(name) & REFUSED
    ]

    assert refused == []


def test_columns_keep_to_the_glossary(root: Path) -> None:
    """Tables, columns and functions in SQL use the same words."""
    refused = [
        f"{path.name}: {word}"
        for path in sorted(root.glob("deploy/postgres/**/*.sql"))
        for word in re.findall(r"\w+", re.sub(r"--.*|'[^']*'", "", path.read_text()))
        if words_of(word) & REFUSED
    ]

    assert refused == []


def test_the_glossary_lists_what_is_refused_here(root: Path) -> None:
    """The list above is the glossary's, not a second one."""
    rows = re.findall(
        r"^\|([^|\n]+)\|[^|\n]+\|([^|\n]+)\|$", (root / "docs/GLOSSARY.md").read_text(), re.MULTILINE
    )
    listed = {word for _, synonyms in rows for word in re.findall(r"[a-z]+", synonyms.lower())}
    listed |= {word.removesuffix("s") for word in listed}

    assert {word for word in REFUSED if word not in listed and word.removesuffix("s") not in listed} == set()


def test_decisions_are_listed(root: Path) -> None:
    """The index of the decisions links each record, and each record says which test holds it."""
    index = (root / "docs/decisions/README.md").read_text()
    records = sorted((root / "docs/decisions").glob("[0-9]*.md"))

    assert [path.name for path in records if f"({path.name})" not in index] == []
    for path in records:
        for title in ("Status", "Context", "Decision", "Consequences", "Alternatives", "Held by"):
            assert f"## {title}\n" in path.read_text(), path.name


@pytest.mark.parametrize("folder", PLAIN)
def test_no_module_states_a_law(root: Path, folder: str) -> None:
    """What always holds is called an invariant, as everywhere else."""
    found = [
        path.relative_to(root).as_posix()
        for path in sorted((root / folder).rglob("*.py"))
        if re.search(r"\bthe\s+law\b", path.read_text(), re.IGNORECASE)
    ]

    assert found == []


INDEXES_BACKWARDS = (
    "gro.ipyp",
    "gro.detsohnohtyp",
    "gro.sjmpn",
    "moc.sjmpn",
    "moc.gkpnray",
    "gro.ehcapa.nevam.oper",
    "gro.nevam.1oper",
    "oi.setarc.xedni",
    "gro.gnalog.yxorp",
)
"""Hosts of package indexes, written backwards so that this file does not name them."""


@pytest.mark.parametrize("backwards", INDEXES_BACKWARDS)
def test_no_file_names_a_package_index(tracked: list[Path], backwards: str) -> None:
    """Where packages come from is the business of the machine that installs them."""
    address = re.compile(rb"(?<![\w-])" + re.escape(backwards[::-1].encode()) + rb"\b")

    assert [str(path) for path in tracked if address.search(path.read_bytes())] == []


def test_the_lock_pins_and_holds_no_address(root: Path) -> None:
    """Each requirement has one version and hashes, and comes from no named place."""
    lock = (root / "requirements.lock").read_text()
    pins = re.sub(r"\\\n\s*", "", lock).splitlines()

    assert [
        pin for pin in pins if not re.match(r"^[\w.\[\],-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", pin)
    ] == []
    assert re.findall(r"://|^--|@ ", lock, re.MULTILINE) == []


def test_no_lock_of_another_tool_is_committed(tracked: list[Path]) -> None:
    """These formats hold the address of an index."""
    assert [path.name for path in tracked if path.name in {"uv.lock", "pylock.toml", "poetry.lock"}] == []
    npm = [path for path in tracked if path.name == "package-lock.json"]
    assert [str(path) for path in npm if '"resolved"' in path.read_text()] == []
