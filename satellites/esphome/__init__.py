"""The door of devices with ESPHome's native API, which this side dials."""
