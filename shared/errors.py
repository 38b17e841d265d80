"""The errors a caller can act on. What is none of them is a bug: the process ends, is restarted and replays.

- `Rejected`: the input is wrong for ever; answer 4xx or write a dead letter, then go on.
- `Unavailable`: a dependency is down; retry within bounds, answer 503 or stop consuming.
- `UnknownVersion`: another build understands the input; keep it whole until such a build comes.
- `Misconfigured`: something does not fit; the process ends, for starting again does not help.
"""

from collections.abc import Sequence


class TidegaugeError(Exception):
    """Base of the errors that this project raises on purpose."""


class Rejected(TidegaugeError):
    """The input will never be acceptable; `code` is stable, `message` names the field."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unavailable(TidegaugeError):
    """A dependency does not answer; the same call may succeed later."""

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(f"{dependency} is unavailable: {message}")
        self.dependency = dependency


class Misconfigured(TidegaugeError):
    """A setting, a topic or a stored format does not fit; says what to do about it."""


class UnknownVersion(TidegaugeError):
    """Bytes of a version that this build does not read. They are valid, so they must not be skipped."""

    def __init__(self, what: str, number: int, known: Sequence[int]) -> None:
        versions = " and ".join(map(str, known))
        remedy = (
            "upgrade this service" if number > max(known) else "let the build that wrote them read them first"
        )
        super().__init__(f"{what} of version {number}; this build reads {versions}: {remedy}")
