"""Prepared groups: rollups of a metric, put together by some of its labels before anybody asks."""
