"""Language models served on this machine, and what each server can do."""
