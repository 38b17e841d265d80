"""Silences of a tenant, in our own shape and in that of Alertmanager."""
