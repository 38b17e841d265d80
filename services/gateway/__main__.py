"""Starts the gateway: `python -m services.gateway`. Settings come from the environment, logs go to standard error.

Wrong settings end the process with one message that names every variable.
"""

import os
import sys

import uvloop

from services.gateway.app import run
from services.gateway.settings import Settings
from shared.errors import Misconfigured
from shared.runtime import logging, settings

if __name__ == "__main__":
    logging.configure("gateway")
    try:
        uvloop.run(run(settings.load(Settings, "GATEWAY", os.environ)))
    except Misconfigured as problem:
        sys.exit(str(problem))
