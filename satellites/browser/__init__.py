"""The page to talk through, and the WebRTC behind it."""
