"""What the assistant can do besides talk: one file a provider."""
