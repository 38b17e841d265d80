"""The alert service: windows to alerts, alerts to receivers."""
