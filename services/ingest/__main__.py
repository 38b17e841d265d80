"""Start ingest: `python -m services.ingest`."""

import os
import sys

import uvloop

from services.ingest import app
from services.ingest.settings import Settings
from shared.errors import Misconfigured
from shared.runtime import failpoint, logging, settings

if __name__ == "__main__":
    logging.configure("ingest")
    try:
        failpoint.arm(os.environ.get(failpoint.VARIABLE, ""))
        uvloop.run(app.run(settings.load(Settings, "INGEST", os.environ)))
    except Misconfigured as problem:
        sys.exit(f"ingest: {problem}")
