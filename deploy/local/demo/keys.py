"""Keys of the local system's demo tenant, kept in `.tidegauge/keys.json`.

Invariant: the keys are made once, and only the owner of the folder can read them.
"""

from deploy.api_keys import Scope, new_key
from deploy.local.folder import StateFolder

DEMO = "demo"
"""Name of the tenant whose data is this machine's own."""

MEMORY = "keys.json"


def demo_keys(folder: StateFolder) -> dict[Scope, str]:
    """The demo tenant's write and read keys, made at the first call and remembered."""
    kept = folder.recall(MEMORY)
    if not kept:
        kept = {"write": new_key("write"), "read": new_key("read")}
        folder.remember(MEMORY, kept)
    return {"write": kept["write"], "read": kept["read"]}
