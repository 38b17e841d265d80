"""Problems of a rule file are shown where they stand, whichever way YAML writes the text."""

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.alerts.rules.yaml_positions import BLANKS, position_of

words = st.lists(
    st.sampled_from(["a>", "b'", 'c"', "d\\", "e", "fé", "g|", "{h}", "\u00a0i", "\U0001f600"]),
    unique=True,
    min_size=1,
)
"""Each sign once, so that a position is right for one sign only."""


@pytest.mark.parametrize("style", [None, "'", '"', "|", ">"])
@given(words=words, blank=st.sampled_from([" ", "  ", "\n"]), ascii_only=st.booleans(), data=st.data())
def test_a_sign_is_found(
    style: str | None, words: list[str], blank: str, ascii_only: bool, data: st.DataObject
) -> None:
    """Plain, quoted, literal and folded; broken over lines; with escapes or without."""
    text = blank.join(words)
    content = yaml.safe_dump({"k": text}, default_style=style, width=6, allow_unicode=not ascii_only)
    node = yaml.compose(content, yaml.SafeLoader).value[0][1]
    column = data.draw(st.integers(0, len(text) - 1))
    assume(node.value == text and text[column] not in BLANKS)

    found = content[position_of(content, node, column) :]

    assert found.startswith(text[column]) or (
        found[0] == "\\" and yaml.safe_load(f'"{escape(found)}"') == text[column]
    )


def escape(found: str) -> str:
    """The escape that a text begins with."""
    return found[: {"x": 4, "u": 6, "U": 10}.get(found[1], 2)]
