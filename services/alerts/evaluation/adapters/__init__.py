"""The technologies around evaluation: the pump, rule files and Postgres."""
