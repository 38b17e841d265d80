"""The errors a caller can act on. There are three kinds, and the third has no class.

- `Rejected`: the input is wrong for ever; answer 4xx or write a dead letter, then go on.
- `Unavailable`: a dependency is down; retry within bounds, answer 503 or stop consuming.
- anything else is a bug: the process ends, is restarted and replays.
"""


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
