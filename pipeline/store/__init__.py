"""What outlives the process: a Postgres of the household's own, or one that the settings name."""
