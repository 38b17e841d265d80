"""Closed rows in the tables: of prepared groups where they answer, else of series."""
