"""The projections that run, in the order in which they save and publish.

A projection that is added processes only the events after the current checkpoint.
"""

from collections.abc import Sequence

from services.ingest.projections.events import Events
from services.ingest.projections.funnels import Funnels
from services.ingest.projections.projection import Projection

PROJECTIONS: Sequence[Projection] = (Events(), Funnels())
"""A new one is a module here, and a name in this line."""
