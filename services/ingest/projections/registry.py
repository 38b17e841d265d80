"""The projections that run, in the order in which they save and publish.

A service that is started anew with another one makes it of the events after its checkpoint.
"""

from collections.abc import Sequence

from services.ingest.projections.events import Events
from services.ingest.projections.funnels import Funnels
from services.ingest.projections.projection import Projection

PROJECTIONS: Sequence[Projection] = (Events(), Funnels())
"""A new one is a module here, and a name in this line."""
