"""Starts the gateway: `python -m services.gateway`. Settings come from the environment, logs go to standard error.

Wrong settings end the process with one message that names every variable.
"""

import os

from services.gateway.app import run
from services.gateway.settings import Settings
from shared.runtime import settings, start

if __name__ == "__main__":
    start.run("gateway", lambda: run(settings.load(Settings, "GATEWAY", os.environ)))
