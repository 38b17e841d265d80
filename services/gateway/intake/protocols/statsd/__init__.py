"""StatsD and DogStatsD lines."""
