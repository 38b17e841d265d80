#!/usr/bin/env bash
# The decorators of prometheus_client measure a coroutine function until it is called, not until it ends.
#
# Version:  prometheus-client 0.26.0.
# Expected: time() takes as long as the coroutine waits, count_exceptions() counts its exception, or both refuse it.
# Seen:     a wait of 0.2 s is a few microseconds, an exception counts nothing; as context managers both are right.
# So:       in code with async, time and count in a with block. Ours keeps plain numbers and measures nothing this way.
#
# Ends with 0 as long as this is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "prometheus-client==0.26.0"

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

from prometheus_client import CollectorRegistry, Counter, Histogram

WAIT_S = 0.2
registry = CollectorRegistry()
histogram = Histogram("seconds", "Time taken.", ["how"], registry=registry)
counter = Counter("failures", "Exceptions.", ["how"], registry=registry)


async def work():
    await asyncio.sleep(WAIT_S)
    raise OSError


@histogram.labels("decorator").time()
@counter.labels("decorator").count_exceptions()
async def decorated():
    await work()


async def managed():
    with histogram.labels("manager").time(), counter.labels("manager").count_exceptions():
        await work()


async def run():
    await asyncio.gather(decorated(), managed(), return_exceptions=True)


asyncio.run(run())
seconds, failures = (
    {how: registry.get_sample_value(name, {"how": how}) for how in ("decorator", "manager")}
    for name in ("seconds_sum", "failures_total")
)

print(f"a wait of {WAIT_S} s: {seconds}; one exception: {failures}")
as_found = seconds["decorator"] < WAIT_S / 2 < seconds["manager"] and failures == {"decorator": 0, "manager": 1}
print("as found" if as_found else "CHANGED: expected that decorators see nothing of a coroutine")
sys.exit(not as_found)
PYTHON
