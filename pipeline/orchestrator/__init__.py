"""What becomes of a turn: what the model is told, who answers, what leaves of its words."""
