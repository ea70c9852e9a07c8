"""What the assistant knows when it answers: gathered for each turn, and remembered after it."""
