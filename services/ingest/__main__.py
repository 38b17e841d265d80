"""Start ingest: `python -m services.ingest`."""

import os

from services.ingest import app
from services.ingest.settings import Settings
from shared.runtime import settings, start

if __name__ == "__main__":
    start.run("ingest", lambda: app.run(settings.load(Settings, "INGEST", os.environ)))
