"""Names are the field's own terms: a word of ours that was replaced does not come back."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPLACED: Mapping[str, str] = {
    "cargo": "signal",
    "Cargo": "IntakeBatch",
    "Chunk": "IntakeBatch",
    "Holder": "ApiKey",
    "KeyRing": "KeyCache",
    "Roster": "ActiveSeries",
    "Rosters": "SeriesLimiter",
    "Lane": "Pipeline or SignalSender",
    "Doors": "IntakeContext",
    "Budget": "ConcurrencyLimits",
    "Tally": "IntakeCounters, LedgerEntries or Stats",
    "receipts": "ledger",
    "Owed": "PendingEntries",
    "Shares": "PendingEntries",
    "bury": "record_dead_letter",
    "buried": "dead letter",
    "held": "its own name: conn, lock, OwnedPartition",
    "Trip": "BreakerTrip",
    "let_through": "resume_offset",
    "stops": "breaker_store",
    "happenings": "events",
    "particulars": "optional_columns",
    "patient": "header timeout",
    "PatientProtocol": "HeaderTimeoutProtocol",
    "crash_point": "failpoint",
    "crowded_out": "evicted",
    "upkeep": "maintenance",
    "Wishes": "UpOptions",
    "Surroundings": "ServiceEnvironment",
    "Fleet": "Supervisor",
    "obituary": "exit_error",
    "explained": "cli_errors",
    "stage": "cluster",
    "Stage": "Cluster",
    "rig": "harness",
    "Rig": "Harness",
    "story": "timeline",
    "Story": "Timeline",
    "strikes": "faults",
    "Strike": "Fault",
    "spoilt": "mutants",
    "Books": "AuditReport",
    "Apart": "TierMismatch",
    "Told": "AlertCloudEvent",
    "Grounds": "Evaluation",
    "Subject": "SeriesRef",
    "Described": "SeriesInfo",
    "Book": "RuleSet",
    "edition": "version",
    "Misplaced": "ExpressionError",
    "bind": "claim_idempotency_key",
    "Bindings": "IdempotencyClaims",
    "Work": "RollupWork, EventWork or AlertWork",
    "PartitionStream": "PointFold, EventFold or AlertFold",
    "Runs": "Streams",
    "of_run": "of_start",
    "of_chain": "of_stream",
    "chain": "stream",
    "chains": "streams",
}
"""Name -> what the same thing is called now. No identifier and no module has the name."""

TITLES: Mapping[str, str] = {
    "look": "check",
    "tell": "deliver, publish, report",
    "apart": "run_sync, TierMismatch",
    "place": "admit (a series); a position, an origin",
    "places": "yaml_positions",
    "recent": "a bounded map",
    "letters": "dead_letters",
    "told": "what it is",
    "older": "legacy",
    "pieces": "message_split",
    "settle": "what is done",
    "Load": "InFlight",
    "Watch": "SystemHealth",
    "Recent": "BoundedMap",
    "Counted": "BatchStatus",
    "Statement": "TenantLedger",
    "Named": "SeriesRollups",
    "Decoded": "RequestColumns, or the name of one protocol's",
}
"""The same for words that are ordinary English too: no class, function or module has the name, a variable may."""

SOURCE = ("services", "shared", "deploy", "clients", "tests", "bench")


def titles_in(tree: ast.AST) -> Iterator[str]:
    """The functions and classes of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def values_in(tree: ast.AST) -> Iterator[str]:
    """The parameters, variables and attributes that a module sets."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def refused_in(path: Path, text: str) -> set[str]:
    """The names of a module that were replaced, without leading underscores."""
    tree = ast.parse(text)
    titles = {name.strip("_") for name in (path.stem, *titles_in(tree))}
    values = {name.strip("_") for name in values_in(tree)}
    return (titles & (REPLACED.keys() | TITLES.keys())) | (values & REPLACED.keys())


@pytest.mark.parametrize("folder", SOURCE)
def test_no_replaced_name_comes_back(root: Path, folder: str) -> None:
    """One idea has one word, and a stranger can search for it."""
    found = {
        path.relative_to(root).as_posix(): {name: (REPLACED | TITLES)[name] for name in names}
        for path in sorted((root / folder).rglob("*.py"))
        if (names := refused_in(path, path.read_text()))
    }

    assert found == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("def _bury(): ...", {"bury"}, id="function"),
        pytest.param("class Fleet: ...", {"Fleet"}, id="class"),
        pytest.param("lambda held: held", {"held"}, id="parameter"),
        pytest.param("self._story = 1", {"story"}, id="attribute"),
        pytest.param("held: int", {"held"}, id="field"),
        pytest.param("def look(): ...", {"look"}, id="function with an ordinary name"),
        pytest.param("look = 1", set(), id="variable with an ordinary name"),
        pytest.param("history = 'a story'", set(), id="part of a name, and text"),
    ],
)
def test_each_kind_of_name_is_seen(text: str, found: set[str]) -> None:
    """The search above finds what it is meant to find, and nothing else."""
    assert refused_in(Path("module.py"), text) == found
