"""What the gateway answers: windows, funnels, alerts, the ledger, batches, dashboards and the health of the system."""
