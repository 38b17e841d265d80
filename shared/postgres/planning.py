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

IN_BULK: Mapping[str, str] = {
    **EACH_TIME,
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "work_mem": "64MB",
    "max_parallel_workers_per_gather": "0",
    "client_connection_check_interval": "10s",
}
"""For statements that read much and join it with series: by a hash, for how many of these are left cannot be guessed.
They take one core of the server, write text that reads back to the last bit, and end when nobody reads it any more."""


def local(settings: Mapping[str, str]) -> str:
    """The statements that apply settings to the rest of a transaction."""
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
