"""The technologies of dispatch: its two tables in Postgres, and the receivers."""
