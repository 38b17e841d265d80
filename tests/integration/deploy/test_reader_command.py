"""`tidegauge reader` and `tidegauge sql` as an operator and an analyst type them, with the real psql."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from deploy.postgres import readers
from shared.errors import Misconfigured
from tests.support.two_tenants import DEMO, SHOP, TwoTenants, role_of, two_tenants

pytestmark = pytest.mark.servers

COUNT = "SELECT DISTINCT tenant FROM user_event"


@pytest_asyncio.fixture
async def both(stack: Stack) -> AsyncIterator[TwoTenants]:
    """A database with two tenants, and a reader of each."""
    async with two_tenants(stack.postgres) as made:
        yield made


def run(*words: str, **env: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in a process of its own, as psql needs one."""
    command = [sys.executable, "-W", "ignore", "-c", "from deploy.cli import app; app()", *words]
    given = (
        os.environ | {"TIDEGAUGE_POSTGRES": "", "TIDEGAUGE_READER_POSTGRES": "", "PSQLRC": os.devnull} | env
    )
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


async def logins(both: TwoTenants) -> dict[str, list[str]]:
    """The tenants of each login beside the two."""
    known = {role_of(both.demo), role_of(both.shop)}
    return {
        each.role: list(each.tenants) for each in await readers.read_all(both.owner) if each.role not in known
    }


async def test_a_reader_goes_from_its_making_to_its_end(both: TwoTenants) -> None:
    """Made for two tenants, bound to one of them, listed, dropped; its address is shown once."""
    code, address, _ = run(
        "reader", "create", "--tenant=demo", "--tenant=shop", TIDEGAUGE_POSTGRES=both.owner
    )
    role = role_of(address)
    made = await logins(both)
    bound = run("reader", "bind", role, "--tenant=shop", TIDEGAUGE_POSTGRES=both.owner)
    _, listed, _ = run("reader", "list", TIDEGAUGE_POSTGRES=both.owner)
    dropped = run("reader", "drop", role, TIDEGAUGE_POSTGRES=both.owner)
    again = run("reader", "drop", role, TIDEGAUGE_POSTGRES=both.owner)

    assert (0, {role: [DEMO.name, SHOP.name]}) == (code, made)
    assert bound == (0, f"{role} reads shop", "")
    assert [SHOP.name] == [line.split()[-1] for line in listed.splitlines() if line.startswith(role)]
    assert urlsplit(address).password not in listed
    assert dropped == (0, f"dropped {role}", "")
    assert again == (1, "", f"tidegauge: no reader is called {role!r}: `tidegauge reader list` names them")
    assert {} == await logins(both)


async def test_a_login_of_an_administrator_is_bound_and_stays(both: TwoTenants) -> None:
    """Such as one for a tool, where the owner of the tables may not make roles; dropped, it reads nothing."""
    name = f"tool {secrets.token_hex(4)}"
    owner = await asyncpg.connect(both.owner)
    await owner.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'p'")
    place = urlsplit(both.owner).netloc.rpartition("@")[2]
    tool = await asyncpg.connect(f"postgresql://{place}{urlsplit(both.owner).path}", user=name, password="p")
    try:
        await readers.bind_login(both.owner, name, [SHOP.name])
        while_bound = [row[0] for row in await tool.fetch(COUNT)]
        await readers.drop(both.owner, name)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tool.fetch(COUNT)
    finally:
        await tool.close()
        await owner.execute(f'DROP ROLE "{name}"')
        await owner.close()

    assert [SHOP.name] == while_bound


async def test_what_is_not_there_is_named(both: TwoTenants) -> None:
    """A tenant, a role; and nothing is made."""
    with pytest.raises(
        Misconfigured, match="there is no tenant 'nobody': `tidegauge tenant list` names them"
    ):
        await readers.create(both.owner, [DEMO.name, "nobody"])
    with pytest.raises(
        Misconfigured, match="there is no role 'nobody' in this Postgres: `tidegauge reader create`"
    ):
        await readers.bind_login(both.owner, "nobody", [DEMO.name])

    assert {} == await logins(both)


async def test_who_may_not_make_roles_is_told_what_to_have_done(both: TwoTenants) -> None:
    """The statements that an administrator runs, and the commands after them."""
    name = f"r{secrets.token_hex(4)}"
    owner = await asyncpg.connect(both.owner)
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    await owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    place = urlsplit(both.owner).netloc.rpartition("@")[2]
    try:
        with pytest.raises(
            Misconfigured, match=r"(?s)IN ROLE tidegauge_reader;.*`tidegauge reader bind analyst"
        ):
            await readers.create(f"postgresql://{name}:p@{place}{urlsplit(both.owner).path}", [DEMO.name])
    finally:
        await owner.execute(f"DROP OWNED BY {name}")
        await owner.execute(f"DROP ROLE {name}")
        await owner.close()


async def test_sql_opens_psql_as_a_reader_of_the_tenant(both: TwoTenants) -> None:
    """With a login for the session alone, which is gone behind it."""
    words = ("sql", "--tenant=shop", "-c", COUNT, "-c", "SELECT session_user", "--", "-At")
    code, text, errors = run(*words, TIDEGAUGE_POSTGRES=both.owner)
    tenant, role = text.splitlines()

    assert (0, SHOP.name, "") == (code, tenant, errors)
    assert role.startswith("tidegauge_reader_")
    assert {} == await logins(both)


async def test_sql_takes_the_address_of_a_reader(both: TwoTenants) -> None:
    """An analyst needs no other, and hears whose rows it reads if it is not who was asked for."""
    words = ("-c", "SELECT session_user", "--", "-At")
    mine = run("sql", "--tenant=demo", *words, TIDEGAUGE_READER_POSTGRES=both.demo)
    theirs = run("sql", "--tenant=shop", *words, TIDEGAUGE_READER_POSTGRES=both.demo)

    assert mine == (0, role_of(both.demo), "")
    assert theirs == (1, "", "tidegauge: the login of TIDEGAUGE_READER_POSTGRES reads demo, not 'shop'")


async def test_sql_says_that_a_statement_failed(both: TwoTenants) -> None:
    """By the exit code of psql, and what it says."""
    code, _, errors = run("sql", "-c", "SELECT * FROM tenant", TIDEGAUGE_POSTGRES=both.owner)

    assert (1, True) == (code, "permission denied for table tenant" in errors)


async def test_no_password_stands_in_the_words_of_psql(both: TwoTenants) -> None:
    """Every user of a machine sees those."""
    password = urlsplit(both.demo).password or ""
    shown = "\\! tr '\\0' ' ' < /proc/$PPID/cmdline"
    code, text, _ = run("sql", "-c", shown, TIDEGAUGE_READER_POSTGRES=both.demo)

    assert (0, True, False) == (code, role_of(both.demo) in text, password in text)


async def test_what_a_killed_session_left_goes_when_its_password_has_expired(both: TwoTenants) -> None:
    """The next login that is made takes it along."""
    old, new = (
        await readers.create(both.owner, [DEMO.name], -1),
        await readers.create(both.owner, [DEMO.name], 1),
    )

    assert list(await logins(both)) == [role_of(new)]
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(old)
