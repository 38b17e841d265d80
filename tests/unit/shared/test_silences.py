"""Matchers of silences: as Alertmanager's, refused by their place, and never longer at it than their input is."""

import pytest

from shared.alerts.silences.matchers import (
    MAX_MATCHERS,
    Matcher,
    Silence,
    all_of,
    matcher_of,
    matching,
    muted_by,
    written,
)
from shared.errors import Rejected

LABELS = {"alertname": "Slow", "endpoint": "/pay/1", "tenant": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("alertname=Slow", Matcher("alertname", "=", "Slow"), id="bare"),
        pytest.param('alertname="Slow"', Matcher("alertname", "=", "Slow"), id="quoted"),
        pytest.param(' http.route =~ "/pay/.*" ', Matcher("http.route", "=~", "/pay/.*"), id="spaces"),
        pytest.param("a!='b'", Matcher("a", "!=", "b"), id="single quotes"),
        pytest.param('a!~"b=~c"', Matcher("a", "!~", "b=~c"), id="operator in the value"),
        pytest.param('a="say \\"x\\""', Matcher("a", "=", 'say "x"'), id="escaped"),
        pytest.param("a=", Matcher("a", "=", ""), id="empty"),
    ],
)
def test_a_matcher_is_written_as_people_write_it(text: str, expected: Matcher) -> None:
    """With or without quotes, as amtool takes it."""
    assert expected == written(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "is not like", id="nothing"),
        pytest.param("severity", "is not like", id="no operator"),
        pytest.param("=x", "is not like", id="no name"),
        pytest.param("a=~(", "no regular expression: missing", id="broken pattern"),
        pytest.param("a=~" + "(x{100}){100}" * 9, "no regular expression", id="large program"),
        pytest.param("a=" + "x" * 1001, "at most 1000 bytes", id="long value"),
        pytest.param("a=b\0", "no NUL", id="NUL"),
    ],
)
def test_what_is_no_matcher_is_refused(text: str, said: str) -> None:
    """By the place that it stands at."""
    with pytest.raises(Rejected, match=r"matchers\.3") as refused:
        written(text, "matchers.3")

    assert ("invalid_matcher", True) == (refused.value.code, said in refused.value.message)


def test_a_silence_that_would_mute_all_is_refused() -> None:
    """Alertmanager refuses it too: one matcher must not match an empty value."""
    nothing = [Matcher("a", "=", ""), Matcher("b", "=~", ".*"), Matcher("c", "!=", "x")]
    with pytest.raises(Rejected, match="empty value"):
        all_of(nothing)
    with pytest.raises(Rejected, match="1 to 20"):
        all_of([Matcher("a", "=", "b")] * (MAX_MATCHERS + 1))

    assert 4 == len(all_of([*nothing, Matcher("a", "=", "x")]))


def test_a_pattern_that_explodes_elsewhere_does_not_here() -> None:
    """RE2 takes time in proportion to the text."""
    assert not matching([matcher_of("a", "=~", "(a+)+b")], {"a": "a" * 100_000})


def test_the_first_silence_of_the_tenant_is_named() -> None:
    """Others' silences are about others' alerts."""
    silences = [
        Silence("theirs", 8, (Matcher("alertname", "=", "Slow"),)),
        Silence("other", 7, (Matcher("alertname", "=", "Fast"),)),
        Silence("first", 7, (Matcher("alertname", "=", "Slow"), Matcher("region", "=", ""))),
        Silence("second", 7, (Matcher("endpoint", "=~", "/pay/.*"),)),
    ]

    assert ("first", "theirs", None) == (
        muted_by(silences, 7, LABELS), muted_by(silences, 8, LABELS), muted_by(silences, 9, LABELS)
    )  # fmt: skip
