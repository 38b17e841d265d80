"""What `make ui` makes: equal bytes of equal sources, within its budgets, and no wheel without it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.page_build import first_scripts, imported, sizes
from web.build import PAGE
from web.npm import STAMP

ROOT = Path(__file__).parents[3]
FIRST_BYTES, ALL_BYTES, STYLE_BYTES, HTML_BYTES = 45_000, 95_000, 8_000, 3_000
"""Compressed with gzip: scripts of the first page, of all pages, styles, and the document."""


@pytest.fixture(scope="module")
def page() -> Path:
    """The page, built."""
    subprocess.run([sys.executable, "-m", "web.build"], cwd=ROOT, check=True, capture_output=True)
    return PAGE.out


def test_the_page_is_within_its_budgets(page: Path) -> None:
    """A first page that a slow phone loads in a second, and pages that cost little more."""
    found = sizes(page)
    print(found)  # noqa: T201 # the figures

    assert first_scripts(page) <= set((page / "assets").glob("*.js"))
    assert found["first"] <= FIRST_BYTES
    assert found["all"] <= ALL_BYTES
    assert (found["style"] <= STYLE_BYTES, found["html"] <= HTML_BYTES) == (True, True)


def test_no_script_waits_for_one_that_waits_for_it(page: Path) -> None:
    """One of the two would begin before the other is there: a page that is loaded on demand never came."""
    waits = {path: imported(path) for path in (page / "assets").glob("*.js")}

    while ready := {path for path, others in waits.items() if not others & set(waits)}:
        waits = {path: others for path, others in waits.items() if path not in ready}

    assert waits == {}


def test_two_builds_give_equal_bytes(page: Path, tmp_path: Path) -> None:
    """Two machines that build one commit serve the same page under the same names."""
    folder = tmp_path / "web"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(ROOT / "web", folder, ignore=ignored)
    (folder / "node_modules").symlink_to(ROOT / "web/node_modules")
    (tmp_path / "services/gateway").mkdir(parents=True)
    script = "from web.build import PAGE; PAGE._build()"

    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)

    assert contents(tmp_path / "services/gateway/ui") == contents(page)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a build."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_wheel_has_the_page_and_none_is_made_without(page: Path, tmp_path: Path) -> None:
    """Who installs the wheel needs no Node; a page of other sources is refused by name."""
    tree = tmp_path / "tree"
    for name in ("web", "services", "shared", "deploy", "clients/python"):
        shutil.copytree(
            ROOT / name, tree / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(ROOT / name, tree / name)

    whole, said = wheel(tree, tmp_path / "whole")
    (tree / "services/gateway/ui" / STAMP).write_text("of another source")
    none, refusal = wheel(tree, tmp_path / "none")

    names = zipfile.ZipFile(whole[0]).namelist() if whole else said
    assert {f"services/gateway/ui/{name}" for name in contents(page)} <= set(names)
    assert (none, "run `make ui` first" in refusal) == ([], True)


def wheel(tree: Path, folder: Path) -> tuple[list[Path], str]:
    """The wheel that is built of a tree, if one is, and what the build says."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    assert uv, "uv is neither beside this interpreter nor on the path"
    command = [uv, "build", "--wheel", "--out-dir", str(folder)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return list(folder.glob("*.whl")), done.stdout + done.stderr
