"""The types that the page is written with are those of the query API's contract."""

import subprocess
import sys

import httpx2

from deploy.local.folder import ROOT
from tests.support.http.gateway import Gateway
from web.types import TYPES, types_of


def test_the_page_has_the_types_of_the_contract(steady: Gateway) -> None:
    """Where they differ: `curl -s URL/openapi.json | python -m web.types`, with the address of the queries."""
    subprocess.run([sys.executable, "-m", "web.build"], cwd=ROOT, check=True, capture_output=True)
    contract = httpx2.get(f"{steady.query_url}/openapi.json").content

    assert TYPES.read_text() == types_of(contract)
