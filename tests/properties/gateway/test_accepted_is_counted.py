"""What the gateway accepts is counted, and what it does not is named: generated bodies of every protocol.

Each body goes the whole way in one process: decoder, admission, messages of the log, folds of the readers, windows.
`TIDEGAUGE_COUNTED` says how many items are tried of each protocol.
"""

import os
from collections import Counter
from random import Random

import pytest

from services.gateway.intake.protocols.registry import PATHS
from services.gateway.intake.scrub.scrubber import SWITCHES
from shared.wire.versions import NEW, OLD
from tests.support.pipeline import Pipeline, Verdict
from tests.support.wild.protocols import MAKERS
from tests.support.wild.wild_body import WildBody

NOW = 1_790_000_003_000
TENANT = 300
ITEMS = int(os.environ.get("TIDEGAUGE_COUNTED", "2000"))
SAME_PATH = {
    "/api/v1/push",
    "/write",
    "/api/{project}/envelope",
    "/api/{project}/store",
    "/v1/sentry-tunnel",
    "/e/",
    "/capture/",
}
"""Paths of a protocol that mean the same as another one of it."""


def tried(pipeline: Pipeline, sent: WildBody, now_ms: int, scrub: frozenset[str]) -> Counter[str]:
    """Post a body; how many of its items counted, were refused, or said nothing."""
    verdict = pipeline.post(sent.path, sent.request(TENANT, now_ms, scrub))
    if not isinstance(verdict, Verdict):
        return Counter({f"body: {verdict}": sent.items})
    named = verdict.counted | verdict.refused.keys()
    assert named <= set(range(sent.items)), (named - set(range(sent.items)), sent)
    lost = set(range(sent.items)) - named - set(sent.silent)
    assert not lost, (lost, sent)
    only_refused = len(verdict.refused.keys() - verdict.counted)
    return Counter({"counted": len(verdict.counted), "refused": only_refused, "items": sent.items})


@pytest.mark.parametrize("version", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize("protocol", MAKERS)
def test_what_is_accepted_is_counted(protocol: str, version: int) -> None:
    """Every item is in a window or a table, or is named as refused; no reader refuses what was let in."""
    pipeline, found, seen = Pipeline(version), Counter[str](), set[bytes]()
    seed = now_ms = 0
    while found["items"] < ITEMS // 2:
        seed += 1
        now_ms = NOW + 7 * seed
        chance = Random(f"{protocol} {version} {seed}")
        sent = chance.choice(MAKERS[protocol])(chance, now_ms)
        if sent.body not in seen:
            seen.add(sent.body)
            found += tried(pipeline, sent, now_ms, SWITCHES if seed % 2 else frozenset())
    accounts = pipeline.accounts(now_ms)

    admitted, points, events = pipeline.admitted, accounts.points, accounts.events
    assert found["counted"] >= found["items"] * 0.3, found
    assert points["received"] == admitted["points"] + admitted["points refused"]
    assert points["derived"] == admitted["derived"]
    into_windows = points["counted"] + points["stale_total"] + points["contested_total"]
    assert into_windows == admitted["points"] + admitted["derived"], points
    assert events["counted"] + events["duplicate"] == admitted["events"], events
    assert version == OLD or accounts.samples == pipeline.samples.total()
    assert not points["lost"]


def test_every_path_has_bodies() -> None:
    """A protocol that is added brings its own."""
    made = {
        maker(Random(seed), NOW).path for makers in MAKERS.values() for maker in makers for seed in range(9)
    }

    assert set(PATHS) - SAME_PATH == made
