"""The figures can be measured: what they import is where they say."""

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "bench").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_can_be_imported(name: str) -> None:
    """A module that moved is missed here, and not first by who measures."""
    importlib.import_module(f"bench.{name}")
