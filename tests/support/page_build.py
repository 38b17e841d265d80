"""What a build of the page weighs: bytes with gzip of its scripts, styles and document."""

import gzip
import re
from pathlib import Path


def size(path: Path) -> int:
    """Bytes after gzip."""
    return len(gzip.compress(path.read_bytes(), 9))


def imported(script: Path) -> set[Path]:
    """The scripts that one waits for before it begins."""
    names = re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', script.read_text())
    return {script.parent / name for name in names}


def first_scripts(page: Path) -> set[Path]:
    """What the first page loads: the script of the document, and what it imports."""
    found: set[Path] = set()
    waiting = {
        page / "assets" / name
        for name in re.findall(r"assets/([\w.-]+\.js)", (page / "index.html").read_text())
    }
    while waiting:
        found |= waiting
        waiting = {path for script in waiting for path in imported(script)} - found
    return found


def sizes(page: Path) -> dict[str, int]:
    """Of the scripts of the first page, of all scripts, of the styles and of the document."""
    return {
        "first": sum(map(size, first_scripts(page))), "all": sum(map(size, (page / "assets").glob("*.js"))),
        "style": sum(map(size, (page / "assets").glob("*.css"))), "html": size(page / "index.html"),
    }  # fmt: skip
