"""The doors that speak Wyoming: to programs that use the engines alone, and to satellites, which hold conversations."""
