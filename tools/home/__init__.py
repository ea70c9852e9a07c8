"""What the assistant does in the house, by way of Home Assistant."""
