"""Settings of Postgres' planner: a plan is made once a connection, often while the tables are still empty.

A service passes one of these to its pool, so that no plan depends on what the tables held when it was made.
"""

from collections.abc import Mapping

BY_KEY: Mapping[str, str] = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""For statements that find each of their rows by its key."""

EACH_TIME: Mapping[str, str] = {"jit": "off", "plan_cache_mode": "force_custom_plan"}
"""For questions whose best plan depends on their arguments: how many windows are asked for decides whether they are
looked up one by one or read as a range. Compiling takes longer than they do."""


def local(settings: Mapping[str, str]) -> str:
    """The statements that apply settings to the rest of a transaction."""
    return "; ".join(f"SET LOCAL {name} = {value}" for name, value in settings.items())
