"""Refuses a wheel without the page, or with one of other sources.

A part of the build: it imports nothing but what the build environment has.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Looks whether `services/gateway/ui` was built of `web/` as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise `RuntimeError` where it was not; an editable install needs none."""
        if version == "editable" or self.target_name != "wheel":
            return
        sys.path.insert(0, self.root)
        from web.build import PAGE  # noqa: PLC0415 # it is found in the tree that is built

        if not PAGE.is_fresh():
            folder = Path(PAGE.out).relative_to(self.root)
            raise RuntimeError(f"the page in {folder} is not of the sources in web/: run `make ui` first")
