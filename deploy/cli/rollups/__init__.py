"""Commands about rollups and their prepared groups."""
