"""The door for clients of the OpenAI Realtime API."""
