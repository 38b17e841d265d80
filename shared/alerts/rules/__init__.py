"""The language of rules: rule files of Prometheus, and what their expressions ask of windows. Pure.

Alerts evaluate it, and whatever checks or shows rules reads them by the same modules.
"""
