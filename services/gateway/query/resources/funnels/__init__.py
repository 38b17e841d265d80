"""How far sessions came in a funnel."""
