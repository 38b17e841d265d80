"""What an answer of a webhook means, and which webhooks a setting may name."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from services.alerts.dispatch.adapters.receivers.http import result_of
from services.alerts.dispatch.adapters.receivers.signature import Signer
from services.alerts.dispatch.domain.redelivery import pause_s
from services.alerts.dispatch.ports import DeliveryResult
from services.alerts.settings import group_by, secrets_of, webhooks
from shared.errors import Misconfigured
from shared.runtime.clock import now_ms


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        pytest.param(200, "", DeliveryResult("delivered"), id="ok"),
        pytest.param(204, "30", DeliveryResult("delivered"), id="no content"),
        pytest.param(302, "", DeliveryResult("again", "302: said"), id="redirect"),
        pytest.param(400, "", DeliveryResult("refused", "400: said"), id="refused"),
        pytest.param(401, "5", DeliveryResult("refused", "401: said", 5.0), id="not allowed"),
        pytest.param(413, "", DeliveryResult("too_large", "413: said"), id="too large"),
        pytest.param(425, "", DeliveryResult("again", "425: said"), id="too early"),
        pytest.param(408, "", DeliveryResult("again", "408: said"), id="timeout"),
        pytest.param(429, "7", DeliveryResult("again", "429: said", 7.0), id="too many"),
        pytest.param(429, "86400", DeliveryResult("again", "429: said", 3600.0), id="at most an hour"),
        pytest.param(429, "9" * 400, DeliveryResult("again", "429: said", 3600.0), id="very long"),
        pytest.param(429, "-5", DeliveryResult("again", "429: said"), id="negative"),
        pytest.param(429, "soon", DeliveryResult("again", "429: said"), id="not a time"),
        pytest.param(429, "²", DeliveryResult("again", "429: said"), id="not a number"),
        pytest.param(
            503, "Wed, 21 Oct 2015 07:28:00 GMT", DeliveryResult("again", "503: said"), id="a date gone by"
        ),
        pytest.param(500, "", DeliveryResult("again", "500: said"), id="broken"),
        pytest.param(0, "", DeliveryResult("again", "said"), id="no answer"),
    ],
)
def test_answer_of_a_webhook(status: int, retry_after: str, expected: DeliveryResult) -> None:
    """2xx is delivered; refusals for ever are given up; everything else is tried again, not before it is asked for."""
    assert expected == result_of(status, retry_after, "said")


def test_a_date_is_waited_for() -> None:
    """Retry-After may be a date."""
    date = format_datetime(datetime.fromtimestamp(now_ms() // 1000 + 100, UTC), usegmt=True)

    assert 90 < result_of(503, date, "").least_s <= 100


def test_a_problem_is_short_and_printable() -> None:
    """What stands in the table is text that Postgres takes, whatever was answered."""
    assert DeliveryResult("again", "500: a " + "b" * 197) == result_of(500, "", "\x00a\n" + "b" * 4000)


def test_pauses_double() -> None:
    """From half a second to a minute."""
    assert [0.5, 1, 2, 4, 8, 16, 32, 60, 60] == [pause_s(attempts) for attempts in range(1, 10)]
    assert pause_s(100_000) == 60


def test_webhooks_are_named() -> None:
    """One entry a receiver; an address may hold anything but a comma."""
    assert {} == webhooks("")
    assert {"a": "http://h:1/p?q=1", "b-2": "https://u:p@h"} == webhooks(
        "a=http://h:1/p?q=1, b-2=https://u:p@h,"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("http://h", "entry 1 is not name=url", id="no name"),
        pytest.param("a=http://h,x y=http://h", "entry 2 is not name=url", id="bad name"),
        pytest.param("a=http://h,a=http://i", "a stands twice", id="twice"),
        pytest.param("a=ftp://h", "a is not an http", id="scheme"),
        pytest.param("a=http://", "a is not an http", id="no host"),
        pytest.param("a=http://h:99999", "a is not an http", id="port"),
        pytest.param("a=http://[::1", "a is not an http", id="bracket"),
        pytest.param("a=http://h/\nx", "a is not an http", id="newline"),
        pytest.param("=http://h", "entry 1 is not name=url", id="empty name"),
        pytest.param("telemetry.alerts.v1=http://h", "entry 1 is not name=url", id="name of the topic"),
    ],
)
def test_bad_webhook_is_refused(text: str, problem: str) -> None:
    """By name, and without the address, which may hold a secret."""
    with pytest.raises(Misconfigured, match=f"ALERTS_WEBHOOKS: {problem}") as refused:
        webhooks(text)

    assert "//h" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param("", None, id="no groups"),
        pytest.param(" , ", None, id="nothing said"),
        pytest.param("alertname, http.route", ("alertname", "http.route"), id="two labels"),
    ],
)
def test_groups_are_by_labels(text: str, labels: tuple[str, ...] | None) -> None:
    """Without any, each alert is told alone."""
    assert labels == group_by(text)


def test_what_is_no_label_refuses_the_start() -> None:
    """By the name of the setting."""
    with pytest.raises(Misconfigured, match="ALERTS_GROUP_BY"):
        group_by("a\nb")


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The one of the standard's own example."""


def test_messages_are_signed_as_the_standard_has_it() -> None:
    """Its own example, to the byte; while secrets change both sign."""
    named = secrets_of(f"pager={SECRET} whsec_{'QUJD' * 8}", ["pager"])
    headers = Signer(named["pager"]).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    first, second = headers["webhook-signature"].split()

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == first
    assert second.startswith("v1,")
    assert ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330") == (
        headers["webhook-id"],
        headers["webhook-timestamp"],
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(f"sms={SECRET}", "entry 1 is not of a webhook", id="another webhook"),
        pytest.param(
            f"pager={SECRET},pager={SECRET}",
            "entry 2 is not of a webhook of ALERTS_WEBHOOKS, once",
            id="twice",
        ),
        pytest.param("pager=", "pager needs one secret", id="none"),
        pytest.param(f"pager={SECRET} {SECRET} {SECRET}", "pager needs one secret, or two", id="three"),
        pytest.param("pager=MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "pager needs one secret", id="no prefix"),
        pytest.param("pager=whsec_QUJD", "24 to 64 bytes", id="short"),
        pytest.param("pager=whsec_" + "QUJD" * 22, "24 to 64 bytes", id="long"),
        pytest.param("pager=whsec_###", "whsec_ and base64", id="no base64"),
    ],
)
def test_a_bad_secret_is_refused(text: str, problem: str) -> None:
    """By the name of its webhook, and without the secret."""
    with pytest.raises(Misconfigured, match=f"ALERTS_WEBHOOK_SECRETS: .*{problem}") as refused:
        secrets_of(text, ["pager"])

    assert "MfKQ" not in str(refused.value)
