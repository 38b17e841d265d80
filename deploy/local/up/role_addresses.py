"""The address under which each service of a local system signs in to Postgres: as a role of its own.

Invariant: the passwords are made once, and only the owner of the folder can read them.
"""

import secrets

from deploy.local.folder import StateFolder
from deploy.postgres import roles

MEMORY = "roles.json"


async def make(folder: StateFolder, dsn: str) -> dict[str, str]:
    """Make the roles; the address of each. Raises `Misconfigured` and `Unavailable`."""
    passwords = {str(role): str(password) for role, password in folder.recall(MEMORY).items()}
    if set(passwords) != set(roles.GRANTS):
        passwords = {role: secrets.token_urlsafe(24) for role in roles.GRANTS}
        folder.remember(MEMORY, passwords)
    await roles.apply(dsn, passwords)
    return {role: roles.address_of(dsn, role, password) for role, password in passwords.items()}
