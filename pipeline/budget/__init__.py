"""The memory budget: what fits a machine, how fast it will be there, and what starts it."""
