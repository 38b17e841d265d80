"""Keys: random, telling their scope, remembered by their owner alone."""

import stat
from pathlib import Path

import pytest

from deploy.local.demo.keys import demo_keys
from deploy.local.folder import StateFolder
from deploy.tenants import PREFIX_LENGTH, Scope, new_key


@pytest.mark.parametrize(("scope", "start"), [("write", "tg_w_"), ("read", "tg_r_"), ("admin", "tg_a_")])
def test_a_key_tells_its_scope(scope: Scope, start: str) -> None:
    """43 random characters follow, of which four stay readable in the database."""
    key = new_key(scope)

    assert key.startswith(start)
    assert len(key) == 48
    assert PREFIX_LENGTH == len(start) + 4
    assert key != new_key(scope)


def test_the_demo_keys_are_made_once(tmp_path: Path) -> None:
    """Later runs have the same, and nobody else may read them."""
    folder = StateFolder(tmp_path)
    folder.path.mkdir()

    keys = demo_keys(folder)

    assert keys == demo_keys(folder)
    assert stat.S_IMODE((folder.path / "keys.json").stat().st_mode) == 0o600
