"""The door for clients of the Model Context Protocol: the house's tools for other people's assistants."""

from typing import Final

PATH: Final = "/mcp"
