"""The door for devices with the xiaozhi-esp32 firmware, unmodified: they ask here where to talk, and with whom."""
