"""Keys: random, telling their scope, remembered by their owner alone."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.api_keys import PREFIX_LENGTH, Key, Scope, new_key, origin_of, table
from deploy.local.demo.keys import demo_keys
from deploy.local.folder import StateFolder
from shared.errors import Misconfigured


@pytest.mark.parametrize(
    ("scope", "start"), [("write", "tg_w_"), ("beacon", "tg_b_"), ("read", "tg_r_"), ("admin", "tg_a_")]
)
def test_a_key_tells_its_scope(scope: Scope, start: str) -> None:
    """64 random digits follow, of which four stay readable in the database."""
    key = new_key(scope)

    assert key.startswith(start)
    assert len(key) == 69
    assert PREFIX_LENGTH == len(start) + 4
    assert key != new_key(scope)


def test_the_demo_keys_are_made_once(tmp_path: Path) -> None:
    """Later runs have the same, and nobody else may read them."""
    folder = StateFolder(tmp_path)
    folder.path.mkdir()

    keys = demo_keys(folder)

    assert keys == demo_keys(folder)
    assert stat.S_IMODE((folder.path / "keys.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text: str, origin: str) -> None:
    """Scheme, host and port, in small letters."""
    assert origin == origin_of(text)


@pytest.mark.parametrize(
    "text", ["", "*", "null", "shop.example", "https://", "https://a/b", "https://u@a", "ftp://a"]
)
def test_what_is_no_origin_is_named(text: str) -> None:
    """With two that are."""
    with pytest.raises(Misconfigured, match="is no origin: it must be like"):
        origin_of(text)


def test_keys_are_shown_in_a_table() -> None:
    """How they begin, what they may, whether they are good and when they were used; nothing that opens anything."""
    day = datetime(2026, 11, 29, 8, 5, tzinfo=UTC)
    keys = [
        Key(
            "shop", "tg_b_abcd", "beacon", ["https://a", "https://b"], day, day, None, None, key_name="pages"
        ),
        Key("shop", "tg_w_efgh", "write", [], day, None, day, None),
        Key("shop", "tg_r_ijkl", "read", [], day, None, day, day),
    ]

    assert [
        "tenant  key         name   scope   state    last used         origins",
        "shop    tg_b_abcd…  pages  beacon  live     2026-11-29 08:05  https://a https://b",
        "shop    tg_w_efgh…  -      write   rotated  -",
        "shop    tg_r_ijkl…  -      read    revoked  -",
    ] == table(keys)
