"""Start the aggregator: `python -m services.aggregator`."""

import os

from services.aggregator import app
from services.aggregator.settings import Settings
from shared.runtime import settings, start

if __name__ == "__main__":
    start.run("aggregator", lambda: app.run(settings.load(Settings, "AGGREGATOR", os.environ)))
