"""Start alerts: `python -m services.alerts`."""

import os
import sys

import uvloop

from services.alerts import app
from services.alerts.settings import Settings
from shared.errors import Misconfigured
from shared.runtime import failpoint, logging, settings

if __name__ == "__main__":
    logging.configure("alerts")
    try:
        failpoint.arm(os.environ.get(failpoint.VARIABLE, ""))
        uvloop.run(app.run(settings.load(Settings, "ALERTS", os.environ)))
    except Misconfigured as problem:
        sys.exit(f"alerts: {problem}")
