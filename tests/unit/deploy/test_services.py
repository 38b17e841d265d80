"""What `tidegauge up` starts: one gateway a role, each at its own ports, and both known to all."""

from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy.local.running import exports
from deploy.local.up import how_to_try
from deploy.local.up.services import SERVICES, GatewayPorts, Service, ServiceEnvironment

ROLES = {service.name: service for service in SERVICES if service.module == "services.gateway"}


def environment(intake_health: int = 1, query_health: int = 1) -> ServiceEnvironment:
    """Ports as a run would choose them; nothing listens at port 1."""
    intake, query = GatewayPorts(8080, intake_health), GatewayPorts(8081, query_health)
    return ServiceEnvironment({}, intake, query, 9099, None, 4)


@pytest.mark.parametrize(
    ("name", "role", "port", "metrics"),
    [("gateway-intake", "intake", "8080", "9001"), ("gateway-query", "query", "8081", "9002")],
)
def test_each_role_is_told_who_it_is_and_where_to_listen(
    name: str, role: str, port: str, metrics: str
) -> None:
    """One module, two processes."""
    given = ROLES[name].environ(environment(9001, 9002))

    assert set(ROLES) == {"gateway-intake", "gateway-query"}
    assert (role, port, metrics) == (
        given["GATEWAY_ROLE"], given["GATEWAY_PORT"], given["GATEWAY_METRICS_PORT"]
    )  # fmt: skip


def test_each_service_signs_in_to_postgres_as_its_own_role() -> None:
    """Where roles were made; else all use the address that was given."""
    given = replace(environment(), environ={"TIDEGAUGE_POSTGRES": "owner"})
    roles = {service.role: f"address of {service.role}" for service in SERVICES}

    assert {"owner"} == {service.environ(given)["TIDEGAUGE_POSTGRES"] for service in SERVICES}
    assert roles == {
        service.role: service.environ(replace(given, role_addresses=roles))["TIDEGAUGE_POSTGRES"]
        for service in SERVICES
    }


def test_a_worker_that_is_added_by_hand_signs_in_as_its_role() -> None:
    """`tidegauge env` exports the address that its service reads first."""
    given = replace(environment(), role_addresses={"ingest": "as ingest", "reader": "as reader"})

    assert {"INGEST_POSTGRES": "as ingest"} == {
        name: value for name, value in given.settings.items() if name.endswith("_POSTGRES")
    }


def test_all_know_where_to_post_and_where_to_look() -> None:
    """Also a process that is added by hand, from what `tidegauge env` prints; alerts link to where one looks."""
    lines = exports(environment().settings).splitlines()

    assert {
        "export GATEWAY_INTAKE_URL=http://127.0.0.1:8080",
        "export GATEWAY_QUERY_URL=http://127.0.0.1:8081",
        "export ALERTS_EXTERNAL_URL=http://127.0.0.1:8081",
    } <= set(lines)


@pytest.mark.parametrize("role", [pytest.param(role, id=name) for name, role in ROLES.items()])
@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_a_role_is_ready_when_its_port_for_health_says_so(role: Service, status: int, ready: bool) -> None:
    """Not before it listens there, and not while it says 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        found = role.ready(environment(server.server_port, server.server_port))
        thread.join()

    assert (False, ready) == (role.ready(environment()), found)


def test_each_printed_command_goes_to_the_address_that_answers_it() -> None:
    """What posts goes to the one, what reads to the other; both are named with what they are for. The page is first."""
    servers = dict.fromkeys(("postgres", "kafka", "redis"), "-")
    keys = {"write": "w", "read": "r", "admin": "a"}
    text = how_to_try.text("http://look/ui/login?once=t", "http://post", "http://look", servers, keys)
    commands = [line for line in text.splitlines() if line.strip().startswith("curl ")]

    assert "http://look/ui/login?once=t" == text.splitlines()[0]
    assert "  post here  http://post   (its description: http://post/docs)" in text.splitlines()
    assert "  look here  http://look   (its description: http://look/docs)" in text.splitlines()
    assert {True: "http://post/", False: "http://look/"} == {
        " -d " in command: address
        for command in commands
        for address in ("http://post/", "http://look/")
        if address in command
    }
    assert len(commands) == 7
