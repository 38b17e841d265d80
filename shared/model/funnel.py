"""Funnels: named steps that a session takes in order.

Funnels are constants of the release, so every service numbers the steps alike. Step 0 is the entry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class Funnel:
    """One funnel."""

    name: str
    """Name in addresses and properties."""
    steps: tuple[str, ...]
    """Names of the steps, the entry first."""

    def step(self, name: str) -> int:
        """Number of a step, however its words are joined; raise `Rejected` with code `unknown_step`."""
        wanted = joined(name)
        if wanted not in self.steps:
            raise Rejected(
                "unknown_step", f"name: not a step of funnel {self.name}; its steps: {', '.join(self.steps)}"
            )
        return self.steps.index(wanted)


EFFECT_CREATION = Funnel(
    "effect_creation",
    (
        "effect_discovery", "effect_viewing", "effect_start", "image_upload", "parameter_setting",
        "processing_start", "processing_complete", "result_download", "result_sharing",
    ),
)  # fmt: skip
"""The shipped funnel: from finding an effect to sharing its result."""

FUNNELS: Mapping[str, Funnel] = {EFFECT_CREATION.name: EFFECT_CREATION}
"""Every funnel by its name."""


def joined(words: str) -> str:
    """`Image Upload` and `image-upload` as `image_upload`."""
    return re.sub(r"[ _-]+", "_", words.strip()).lower()


def funnel_of(name: object) -> Funnel:
    """The funnel of this name; raise `Rejected` with code `unknown_funnel`."""
    found = FUNNELS.get(joined(name)) if isinstance(name, str) else None
    if found is None:
        raise Rejected("unknown_funnel", f"properties.funnel: must be one of {', '.join(FUNNELS)}")
    return found
