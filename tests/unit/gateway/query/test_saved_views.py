"""Saved views: named addresses, read whole or not at all."""

from pathlib import Path

import pytest

from services.gateway.query.page.saved_views import MAX_BYTES, SavedView, load
from services.gateway.settings import VIEWS
from shared.errors import Misconfigured

GOOD = "name: Slow\nabout: What is slow.\nurl: /ui/latency?from=now-6h\n"


def test_views_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Whatever their files are called; other files are not looked at."""
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text("name: errors\nurl: /ui/errors\n")
    (tmp_path / "notes.txt").write_text("not a view")

    assert (
        SavedView("errors", "/ui/errors"), SavedView("Slow", "/ui/latency?from=now-6h", "What is slow."),
    ) == load(str(tmp_path))  # fmt: skip


def test_no_folder_has_no_views() -> None:
    """As an operator says by an empty setting."""
    assert () == load("")


def test_those_that_are_shipped_can_be_read() -> None:
    """Each names a page, and none holds an instant that goes by."""
    views = load(str(VIEWS))

    assert len(views) >= 3
    assert all("from=now-" in one.url for one in views)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 2000, id="deep"),
        pytest.param(f"name: {'a' * MAX_BYTES}", id="long"),
        pytest.param(GOOD + "key: tg_r_1", id="unknown field"),
        pytest.param(GOOD.replace("/ui/", "https://elsewhere.example/"), id="elsewhere"),
        pytest.param(GOOD.replace("/ui/latency", "/ui//elsewhere example"), id="space"),
        pytest.param(GOOD.replace("Slow", '""'), id="no name"),
        pytest.param("name: !!python/object:os.system {}", id="object"),
        pytest.param("name: \x00", id="unreadable"),
    ],
)
def test_what_is_no_view_is_refused_by_the_name_of_its_file(tmp_path: Path, text: str) -> None:
    """So that a start stops before anybody looks for it in vain."""
    (tmp_path / "wrong.yml").write_text(text)

    with pytest.raises(Misconfigured, match=r"wrong\.yml: "):
        load(str(tmp_path))
