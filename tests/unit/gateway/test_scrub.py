"""What is taken out of events before they are in the log."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import tenants
from services.gateway.intake.adapters.intake_batches import Decode
from services.gateway.intake.columns.admit_points import PointAdmission
from services.gateway.intake.columns.contract import Request
from services.gateway.intake.protocols.native.decode import NativeEvents, NativePoints
from services.gateway.intake.scrub.kinds import KINDS, SECRET_HINT, USER_HINT
from services.gateway.intake.scrub.scrubber import HIDDEN, SWITCHES, Scrubber, is_secret
from services.gateway.intake.scrub.search import search
from shared.model.event import MAX_NAME
from shared.wire.events import properties_of
from shared.wire.series import unpack

ALL = Scrubber(SWITCHES, b"s" * 32)
CARD = "4111 1111 1111 1111"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36"


def scrubbed(scrubber: Scrubber, *properties: bytes) -> list[bytes]:
    """The properties of the events of one request."""
    return list(
        map(
            bytes,
            scrubber.events([msgspec.Raw(each) for each in properties], ["n"] * len(properties)).properties,
        )
    )


@pytest.mark.parametrize(
    ("switch", "text", "clean"),
    [
        pytest.param("email", "mail to ada.l+x@shop.example.", "mail to [email].", id="e-mail"),
        pytest.param("email", "an jörg@müller.example!", "an [email]!", id="e-mail beyond ASCII"),
        pytest.param("email", "to=ada%40shop.example&x", "to=[email]&x", id="e-mail in a form"),
        pytest.param("email", "a@b, shop@1.2.30", "a@b, shop@1.2.30", id="no e-mail"),
        pytest.param("card", f"paid with {CARD}!", "paid with [card]!", id="card"),
        pytest.param("card", f"paid with {CARD}.", "paid with [card].", id="card at the end of a sentence"),
        pytest.param("card", "card.4111111111111111", "card.[card]", id="card behind a dot"),
        pytest.param("card", "4111111111111112", "4111111111111112", id="no card: its check digit is wrong"),
        pytest.param("card", "0000000000000000", "0000000000000000", id="no card: zeros"),
        pytest.param("card", "at 1790000000009 ms", "at 1790000000009 ms", id="no card: a time"),
        pytest.param("card", "0.4111111111111111", "0.4111111111111111", id="no card: a fraction"),
        pytest.param("phone", "call +49 (30) 1234-5678", "call [phone]", id="phone"),
        pytest.param(
            "phone", "call (415) 555-2671, 415-555-2671", "call [phone], [phone]", id="North American phone"
        ),
        pytest.param("phone", '<a href="tel:030123456">', '<a href="tel:[phone]">', id="phone in a link"),
        pytest.param("phone", "1 + 23456789", "1 + 23456789", id="a sum"),
        pytest.param("phone", "2026-11-29T10:00:00+01:00", "2026-11-29T10:00:00+01:00", id="a zone"),
        pytest.param("ip", "from 192.168.17.42.", "from 192.168.17.0.", id="IPv4"),
        pytest.param(
            "ip", "from 127.0.0.1 v1.2.3.4 999.1.1.1", "from 127.0.0.1 v1.2.3.4 999.1.1.1", id="no address"
        ),
        pytest.param("ip", "from 2001:db8:85a3:8d3:1319:8a2e:370:7348", "from 2001:db8:85a3::", id="IPv6"),
        pytest.param("ip", "from ::ffff:192.0.2.33", "from ::ffff:192.0.2.0", id="IPv4 in IPv6"),
        pytest.param("ip", "at 10:20:30, std::add ::add(1)", "at 10:20:30, std::add ::add(1)", id="no IPv6"),
        pytest.param("ip", AGENT, AGENT, id="a browser's version"),
        pytest.param("url", "GET https://a.b/c?token=1#x now", "GET https://a.b/c now", id="query"),
        pytest.param("url", "GET /c?q=ada HTTP/1.1", "GET /c HTTP/1.1", id="query without a server"),
        pytest.param("url", "postgres://ada:pw@db/x", "postgres://db/x", id="who logs in"),
        pytest.param("url", "really? a/b #1", "really? a/b #1", id="no address of a page"),
        pytest.param("path", "at f (/home/ada/app/x.js:3)", "at f (/home/~/app/x.js:3)", id="home"),
        pytest.param("path", "C:\\Users\\Ada\\x.js", "C:\\Users\\~\\x.js", id="home on Windows"),
        pytest.param("path", "C:\\Users\\Ada Lovelace\\x", "C:\\Users\\~\\x", id="home with a blank"),
        pytest.param(
            "token", "Authorization: Bearer abcdef0123456789", "Authorization: [token]", id="bearer"
        ),
        pytest.param("token", "Basic information", "Basic information", id="no credentials"),
        pytest.param("token", "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "[token]", id="JWT"),
        pytest.param("token", "tg_w_" + "ab" * 32, "[token]", id="a key of ours"),
        pytest.param("token", "glpat-" + "aB3" * 7, "[token]", id="a key of GitLab"),
        pytest.param(
            "token",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "[token]",
            id="a private key",
        ),
    ],
)
def test_a_switch_takes_out_its_kind_alone(switch: str, text: str, clean: str) -> None:
    """In a text of any property, however deep, and in a name; without it nothing changes."""
    properties = json.dumps({"a": [{"b": text}]}).encode()
    own, others = Scrubber({switch}), Scrubber(SWITCHES - {switch})

    assert [clean] == [each["a"][0]["b"] for each in map(json.loads, scrubbed(own, properties))]
    assert clean == own.plain(text) == own.plain(clean)
    assert [properties] == scrubbed(Scrubber(()), properties)
    assert (clean == text) or clean != others.plain(text)


@pytest.mark.parametrize(
    "name",
    [
        "password", "Passwd", "api_key", "access-token", "user.secret", "Cookie", "pin", "sessionToken", "db_password",
        "X-Api-Key", "newPassword", "client_secret", "Set-Cookie", "p\\u0061ssword",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["x", 1234, True, 'a"b', ["x"], {"y": "x"}])
def test_a_secret_is_known_by_its_name(name: str, value: object) -> None:
    """Whatever it looks like, a list and an object too."""
    said = {"keyboard": "k", "list": ["password", "x"], "max_tokens": 5, "compass": "N", "token": None}
    text = json.dumps({"NAME": value} | said).replace("NAME", name).encode()

    (found,) = map(json.loads, scrubbed(Scrubber({"keys"}), text))

    assert {json.loads(f'"{name}"'): "[removed]"} | said == found


def test_what_is_escaped_is_found() -> None:
    """An e-mail whose @ is written with an escape is one, and so is a path with escaped slashes."""
    text = b'{"a":"ada\\u0040shop.example","b":"\\/home\\/ada\\/x"}'

    assert [b'{"a":"[email]","b":"/home/~/x"}'] == scrubbed(ALL, text)


def test_numbers_keep_their_digits() -> None:
    """They are not read and written again, beside what is taken out too; and a card is a text."""
    text = b'{"a": 36893488147419103233, "b": [0.12345678901234567890123, 4111111111111111]}'

    assert [text] == scrubbed(ALL, text)
    (found,) = scrubbed(ALL, text[:-1] + b', "c": "a@b.cd"}')
    assert text.replace(b" ", b"")[:-1] + b',"c":"[email]"}' == found.replace(b" ", b"")


def test_a_name_is_no_longer_than_it_may_be() -> None:
    """What stands in the place of an e-mail is longer than a short one."""
    name = "a@b.cd " * (MAX_NAME // 7)

    assert [("[email] " * MAX_NAME)[:MAX_NAME]] == ALL.events([msgspec.Raw(b"{}")], [name]).names


def test_events_beside_one_with_an_e_mail_stay_as_they_came() -> None:
    """To the byte: only what is suspicious is opened."""
    clean, suspicious, dirty = b'{ "a" : "b" }', b'{ "a" : "b?" }', b'{ "a" : "a@b.cd" }'

    assert [clean, suspicious, b'{"a":"[email]"}'] == scrubbed(ALL, clean, suspicious, dirty)


def test_four_numbers_are_a_version_under_the_name_of_one() -> None:
    """They are an address elsewhere."""
    said = {
        "app_version": "4.2.0.17",
        "release": "shop@1.2.3.beta",
        "user_agent": "X/1.2.3.4",
        "from": "1.2.3.4",
    }

    (found,) = map(json.loads, scrubbed(ALL, json.dumps(said).encode()))

    assert said | {"from": "1.2.3.0"} == found


@pytest.mark.parametrize(
    ("name", "value", "clean"),
    [
        ("secret", "db-credentials", "db-credentials"), ("bearer", "tg_w_" + "ab" * 32, "[token]"),
        ("contact", "a@b.cd", "[email]"), ("route", "/a?b=c", "/a"),
        ("instance", "10.0.0.5:9090", "10.0.0.5:9090"), ("mountpoint", "/home/ada", "/home/ada"),
    ],
)  # fmt: skip
def test_a_label_that_tells_things_apart_stays(name: str, value: str, clean: str) -> None:
    """Two machines of one network are two series, and so are two secrets by name; tokens and e-mails have no place."""
    assert clean == ALL.label(value, name)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"a":"a@b.cd"',
        b"",
        b"a@b.cd",
        b'{"a":"\xff@b.cd"}',
        b"[" * 50 + b'"a@b.cd"' + b"]" * 50,
        b'{"a":"\\ud800@b.cd"}',
    ],
)
def test_what_cannot_be_read_is_left_to_admission(broken: bytes) -> None:
    """It is refused there."""
    assert [broken] == scrubbed(ALL, broken)


def test_ids_of_users_become_hashes_of_one_installation() -> None:
    """The same user is the same hash, and nobody without the secret can make it; without the switch they are kept."""
    first, second = (Scrubber({"user"}, secret).users(["ada", None])[0] for secret in (b"s" * 32, b"t" * 32))

    assert [first, None] == ALL.users(["ada", None])
    assert ["ada"] == Scrubber(()).users(["ada"])
    assert first != second
    assert [first] == ALL.users([first])
    assert ["u:ada"] != ALL.users(["u:ada"])


def test_the_id_of_a_user_is_the_same_hash_in_properties() -> None:
    """A text or a number, and in a label."""
    said = {"user_id": "7", "userId": 7, "distinct_id": "7", "id": "7", "user": "7"}
    hashed = ALL.users(["7"])[0]

    (found,) = map(json.loads, scrubbed(ALL, json.dumps(said).encode()))

    assert said | dict.fromkeys(("user_id", "userId", "distinct_id"), hashed) == found
    assert hashed == ALL.label("7", "user_id")


PARTS = (
    "+49 30 1234 5678", "(415) 555-2671", CARD, "https://u:p@a.b/c?d=e@f.gh#i", "/a?b", "eyJhbGciOiJI.eyJzdWIiOiIx",
    "Bearer\n12345678", "a@b.cd", "%40", "1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4", "/home/a", "C:\\Users\\A b\\",
    "tel:12345", " ", ".", "-", "/", "\\", '"', "\n", "é", "0", "sk_live_12345678", "PRIVATE KEY-----", "user_id",
    "password", "\u2028",
)  # fmt: skip
texts = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=5).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.emails()
    | st.ip_addresses().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("token"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


HINTED = [(kind.clean, search([kind.hint]), search([kind.hint, HIDDEN])) for kind in KINDS.values()]
NAMED = search([SECRET_HINT, HIDDEN])


@given(texts, st.booleans())
def test_a_hint_is_in_every_text_that_its_kind_changes(text: str, ascii_only: bool) -> None:
    """As plain text and as JSON, so that a request without a hint needs no second look."""
    written = json.dumps(text, ensure_ascii=ascii_only).encode().decode("latin-1")
    for clean, in_text, in_json in HINTED:
        if clean(text) != text:
            assert in_text(text)
            assert in_json(written)


@given(texts)
def test_a_hint_is_in_every_name_of_a_secret(name: str) -> None:
    """As JSON writes it."""
    for said in (name, name + "password", name + ".Pin", "x" + name + "Token"):
        if is_secret(said):
            assert NAMED(json.dumps({said: 1}))


@pytest.mark.parametrize("hint", [*[kind.hint for kind in KINDS.values()], SECRET_HINT, USER_HINT])
def test_a_hint_has_few_states(hint: str) -> None:
    """A class of words has thousands of characters, and a long repetition as many states."""
    assert not re.search(r"\\[wWsSdDbB]", hint)
    assert all(int(most) <= 12 for most in re.findall(r"\{\d*,?(\d+)\}", hint))


def shape(value: object) -> object:
    """A value without what is in its texts, scalars and secrets."""
    if isinstance(value, dict):
        return {name: None if is_secret(name) else shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


@given(st.dictionaries(texts, values, max_size=4))
def test_what_comes_out_is_json_of_the_same_shape(properties: dict[str, object]) -> None:
    """Scrubbed twice is scrubbed once."""
    (once,) = scrubbed(ALL, json.dumps(properties).encode())

    assert shape(properties) == shape(json.loads(once))
    assert [once] == scrubbed(ALL, once)


ATOMS = st.sampled_from(
    [
        b"{}", b"[]", b'{"b":1}', b'"x"', b"1", b"-0.5", b"1e5", b"1e999", b"9" * 310, b"true", b"null", b'"{"',
        b'"\\u0000"', b'"\\n"', b'"\xc3\xa9"', b'"\xff"', b'"1e9"', b"\n{}", b"{}\n", b'{"a":\n{"b":1e999}}',
    ]
)  # fmt: skip
WRITTEN = st.lists(ATOMS, max_size=3).map(
    lambda found: b"{%b}" % b",".join(b'"k%d":%b' % pair for pair in enumerate(found))
)


@given(st.lists(ATOMS | WRITTEN, min_size=1, max_size=3), st.sampled_from(["", "n", "\n{", "\r\n"]))
def test_what_is_flat_needs_no_look(texts: list[bytes], name: str) -> None:
    """Each of these properties is an object that a table holds, whatever names stand beside them."""
    if Scrubber(()).events(raws := list(map(msgspec.Raw, texts)), [name] * len(texts)).flat:
        for raw in raws:
            assert isinstance(properties_of(raw), dict)


def test_usual_properties_are_flat() -> None:
    """Of such a request no event is read again."""
    usual = [msgspec.Raw(b'{"page":"/a","took_ms":1.5,"first":true,"none":null}'), msgspec.Raw(b"{}")]

    assert ALL.events(usual, ["a", "b"]).flat
    assert not ALL.events([*usual, msgspec.Raw(b'{"a":{}}')], ["a", "b", "c"]).flat


def test_a_tenant_is_scrubbed_as_its_grant_says() -> None:
    """Properties, names and users of events, and labels of points; another tenant's are as they came."""
    body = {
        "events": [
            {
                "event_id": "e",
                "type": "t",
                "name": "to a@b.cd",
                "user_id": "ada",
                "properties": {"m": "a@b.cd"},
            }
        ]
    }
    point = {"points": [{"name": "m", "value": 1, "labels": {"mail": "a@b.cd"}}]}

    def found(scrub: frozenset[str]) -> tuple[str, str | None, bytes, str]:
        events = Decode(NativeEvents(9), PointAdmission(99), lambda: b"s")(of(body, scrub), b"").events
        points = Decode(NativePoints(9), PointAdmission(99))(of(point, scrub), b"").points
        assert events is not None
        assert points is not None
        (event,) = events.batch.events
        labels = unpack(points.batch.catalogue.packed[0]).labels
        return event.name, event.user_id, bytes(event.properties), labels[0][1]

    (user,) = Scrubber({"user"}, b"s").users(["ada"])
    assert ("to [email]", user, b'{"m":"[email]"}', "[email]") == found(frozenset({"email", "user"}))
    assert ("to a@b.cd", "ada", b'{"m": "a@b.cd"}', "a@b.cd") == found(frozenset())


def of(body: object, scrub: frozenset[str]) -> Request:
    """A request of a tenant with these switches."""
    return Request(json.dumps(body).encode(), [], b"", 7, 1_790_000_000_000, scrub=scrub)


def test_the_switches_are_those_that_an_operator_may_name() -> None:
    """In the command, in the table and here; of a tenant of which nobody has said anything, all but `user` are on."""
    migration = Path("deploy/postgres/migrations/0025_pre_keys.sql").read_text()
    default = Path("deploy/postgres/migrations/0026_pre_scrub_default.sql").read_text()
    assert f"DEFAULT ARRAY{list(tenants.SCRUBBED)};" in default
    assert SWITCHES - {"user"} == set(tenants.SCRUBBED)

    assert set(tenants.SWITCHES) == SWITCHES
    assert all(f"'{each}'" in migration for each in SWITCHES)
