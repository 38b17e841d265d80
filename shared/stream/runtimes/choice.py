"""The choice between the two runtimes of the pump; a service names one in its settings.

One contract suite tests both. Only the chosen runtime is imported, because Faust alone takes a second and 20 MB.
"""

import asyncio
from typing import Any, Literal, TypeAlias

from shared.stream.group import Group
from shared.stream.pump import Pump

Runtime: TypeAlias = Literal["aiokafka", "faust"]


async def run(runtime: Runtime, pump: Pump[Any], group: Group, stopping: asyncio.Event) -> None:
    """Consume until `stopping` is set; then commit, leave the group and return."""
    if runtime == "faust":
        from shared.stream.runtimes import faust_runtime  # noqa: PLC0415

        await faust_runtime.run(pump, group, stopping)
    else:
        from shared.stream.runtimes import aiokafka_runtime  # noqa: PLC0415

        await aiokafka_runtime.run(pump, group, stopping)
