"""The import contracts bite: each one fails when an import that it forbids is planted in a copy of the tree."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("deploy", "services", "shared")

PLANTED = {
    "Services never import each other": {"services/gateway/app.py": "import services.aggregator.app"},
    "Inside a service, imports point inward": {
        "services/ingest/ports.py": "import services.ingest.service",
        "services/aggregator/leftovers.py": "",
    },
    "The gateway's halves are apart: intake and query never import each other": {
        "services/gateway/query/ports.py": "import services.gateway.intake.ports",
        "services/gateway/http/problems.py": "import services.gateway.auth.ports",
    },
    "Inside the intake, imports point inward": {
        "services/gateway/intake/domain/quota.py": "import services.gateway.intake.service",
        "services/gateway/intake/columns/json.py": "import services.gateway.intake.protocols.registry",
    },
    "Protocols never import each other": {
        "services/gateway/intake/protocols/analytics/map.py": "import services.gateway.intake.protocols.native.body",
        "services/gateway/intake/protocols/unlisted.py": "",
    },
    "Alerts is two halves, and app alone knows both": {
        "services/alerts/evaluation/service.py": "import services.alerts.dispatch.router",
        "services/alerts/dispatch/router.py": "import services.alerts.evaluation.domain.alert",
    },
    "Inside evaluation, imports point inward": {
        "services/alerts/evaluation/domain/machine.py": "import services.alerts.evaluation.service",
    },
    "Inside dispatch, imports point inward": {
        "services/alerts/dispatch/owner.py": "import services.alerts.dispatch.router",
    },
    "Shared knows no service; errors are the floor": {
        "deploy/cli/up.py": "import services.gateway.app",
        "shared/model/labels.py": "import shared.wire.topics",
        "shared/ledger/entries.py": "import shared.wire.series",
        "shared/errors.py": "import shared.model.labels",
    },
    "The inside does no I/O and reads no clock": {
        "services/aggregator/service.py": "import time",
        "services/gateway/intake/ports.py": "import asyncpg",
        "shared/model/series.py": "import os",
        "shared/ledger/accounts.py": "import asyncpg",
    },
    "Faust stays in one file": {"shared/stream/pump.py": "import faust"},
}
"""Contract -> file -> the line that breaks it; an empty line plants the file itself."""


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The packages and their contracts, free to be changed."""
    for package in PACKAGES:
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def verdicts(tree: Path) -> tuple[dict[str, str], str]:
    """Contract -> KEPT or BROKEN, and all that the linter said."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return dict(re.findall(r"^(.+) (KEPT|BROKEN)\b", result.stdout, re.MULTILINE)), result.stdout


def test_the_tree_keeps_its_contracts(copy: Path) -> None:
    """As it stands, every import points inward."""
    found, said = verdicts(copy)

    assert found == dict.fromkeys(PLANTED, "KEPT"), said


def test_every_contract_can_fail(copy: Path) -> None:
    """One planted line each is enough to break every contract, and the report names each of them."""
    for files in PLANTED.values():
        for name, line in files.items():
            path = copy / name
            path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")

    found, said = verdicts(copy)

    assert found == dict.fromkeys(PLANTED, "BROKEN"), said
    for name in (name for files in PLANTED.values() for name in files):
        assert name.removesuffix(".py").replace("/", ".") in said
