"""The door for people and programs that type."""

PATH = "/v1/chat/completions"

MODEL = "passfel"
"""The model's only name. Whatever a client asks for is answered by it."""
