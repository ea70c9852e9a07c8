"""A small MCP server, made with the protocol's own library: `python mcp_server.py [PORT]`, on stdio without one."""

import os
import sys

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("garden")
opened: list[str] = []


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def soil(bed: str) -> str:
    """Tell how moist the soil of a bed is."""
    if bed == "moon":
        raise ToolError("there is no such bed")
    return f"The {bed} bed is at {40 + len(opened)} percent."


@server.tool()
def water(bed: str, minutes: int = 5) -> str:
    """Water a bed."""
    opened.append(bed)
    return f"The {bed} bed gets water for {minutes} minutes."


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def clear(bed: str) -> str:
    """Remove everything from a bed."""
    return f"The {bed} bed is empty."


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def crash() -> str:
    """End this server."""
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
