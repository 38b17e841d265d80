"""Start the aggregator: `python -m services.aggregator`."""

import os
import sys

import uvloop

from services.aggregator import app
from services.aggregator.settings import Settings
from shared.errors import Misconfigured
from shared.runtime import failpoint, logging, settings

if __name__ == "__main__":
    logging.configure("aggregator")
    try:
        failpoint.arm(os.environ.get(failpoint.VARIABLE, ""))
        uvloop.run(app.run(settings.load(Settings, "AGGREGATOR", os.environ)))
    except Misconfigured as problem:
        sys.exit(f"aggregator: {problem}")
