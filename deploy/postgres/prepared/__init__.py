"""Prepared groups from the rows of series: to fill in what nobody has prepared, and to hold one against the other."""
