"""What the assistant is: engines, conversations, prompt, settings."""
