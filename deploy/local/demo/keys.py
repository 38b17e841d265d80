"""Keys of the local system's demo tenant, kept in `.tidegauge/keys.json`.

Invariant: the keys are made once, and only the owner of the folder can read them.
"""

from deploy.api_keys import Scope, new_key
from deploy.local.folder import StateFolder

DEMO = "demo"
"""Name of the tenant whose data is this machine's own."""

MEMORY = "keys.json"

SCOPES: tuple[Scope, ...] = ("write", "read", "oncall", "admin")


def demo_keys(folder: StateFolder) -> dict[Scope, str]:
    """The demo tenant's write, read, oncall and admin keys, each made when it is missing and remembered."""
    kept = folder.recall(MEMORY)
    missing = {str(scope): new_key(scope) for scope in SCOPES if scope not in kept}
    if missing:
        folder.remember(MEMORY, kept := kept | missing)
    return {scope: str(kept[scope]) for scope in SCOPES}
