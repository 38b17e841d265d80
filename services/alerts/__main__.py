"""Start alerts: `python -m services.alerts`."""

import os

from services.alerts import app
from services.alerts.settings import Settings
from shared.runtime import settings, start

if __name__ == "__main__":
    start.run("alerts", lambda: app.run(settings.load(Settings, "ALERTS", os.environ)))
