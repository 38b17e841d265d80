"""Labels: what may tell series apart, and the reasons why something may not."""

import pytest

from shared.errors import Rejected
from shared.model.labels import labels_of


def test_order_does_not_matter() -> None:
    """The same labels in another order are the same labels."""
    assert labels_of({"a": "1", "b": "2"}) == labels_of({"b": "2", "a": "1"})


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ({"": "x"}, "name"),
        ({"a\tb": "x"}, "name"),
        ({"\ud83d": "x"}, "name"),
        ({"é" * 32 + "n": "x"}, "name"),
        ({"__name__": "x"}, "reserved"),
        ({"tenant": "x"}, "reserved"),
        ({"a": "x\x00"}, "control"),
        ({"a": "x\n"}, "control"),
        ({"a": "\u202ex"}, "control"),
        ({"a": "é" * 129}, "longer"),
        ({f"l{i}": "x" for i in range(31)}, "at most 30"),
    ],
    ids=[
        "empty",
        "tab",
        "half a pair",
        "long",
        "double underscore",
        "reserved",
        "NUL",
        "newline",
        "bidi",
        "bytes",
        "many",
    ],
)
def test_unusable_labels_are_refused(labels: dict[str, str], what: str) -> None:
    """The refusal says what is wrong."""
    with pytest.raises(Rejected, match=what):
        labels_of(labels)


@pytest.mark.parametrize(
    "labels",
    [
        {"é" * 32: "é" * 128},
        {f"l{i}": "" for i in range(30)},
        {"a.b_c": "=1+1 <script> {{7*7}} '; --"},
        {"app.kubernetes.io/name": "shop", "ключ": "1", "2 words, one=name": "x"},
    ],
    ids=["longest", "most", "text is text", "names of other systems"],
)
def test_everything_up_to_the_limits_is_kept(labels: dict[str, str]) -> None:
    """Exactly at the limit is within it, and values are text, whatever they look like."""
    assert labels == dict(labels_of(labels))
