"""PromQL as text: words with their places, regular expressions, names. Pure; the queries and the rules read it."""
