"""How a device of the house comes in: https with a certificate of the house, and a code shown by one that is in."""
