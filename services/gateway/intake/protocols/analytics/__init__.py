"""The bodies of the source documents: web vitals, events and funnel steps."""
