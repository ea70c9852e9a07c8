"""How the house's tools look in the Model Context Protocol. No input or output."""

from mcp import types

from tools.outcomes import Outcome, Status
from tools.tool import Effect, Tool

ASK_ALOUD = "This has to be confirmed by a person: ask PASSFEL for it by voice or in its own page."
_READS = (Effect.READ, Effect.PRIVATE)


def described(tool: Tool) -> types.Tool:
    """A tool as a client is told of it."""
    hints = types.ToolAnnotations(read_only_hint=tool.effect in _READS, destructive_hint=tool.effect is Effect.SECURE)
    return types.Tool(name=tool.name, description=tool.description, input_schema=tool.parameters, annotations=hints)


def answered(outcome: Outcome) -> types.CallToolResult:
    """What came of a call, as a client is told of it."""
    said = ASK_ALOUD if outcome.status is Status.UNCONFIRMED else outcome.say
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=said)],
        structured_content=dict(outcome.data) if outcome.data else None,
        is_error=outcome.status is not Status.DONE,
    )
