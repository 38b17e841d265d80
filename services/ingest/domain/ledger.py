"""The ledger lines of the events of a record.

An event that this transaction stores is counted, any other is a duplicate. Invariant: the outcomes add up to the events
of the record.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from services.ingest.domain.dedup import Id, Identified
from shared.ledger.entries import COUNTED, DUPLICATE, Line


def outcomes(
    events: Sequence[Identified], new: Sequence[Identified], taken: Collection[Id]
) -> Iterator[Line]:
    """Lines for a record with these events, of which some are new and others have stored the `taken` ones meanwhile."""
    stored = Counter([event.tenant_id for event in new if (event.tenant_id, event.event_id) not in taken])
    for tenant_id, number in Counter([event.tenant_id for event in events]).items():
        yield Line(tenant_id, COUNTED, stored[tenant_id])
        yield Line(tenant_id, DUPLICATE, number - stored[tenant_id])
