"""What all groups of settings have in common."""

from typing import Final

from pydantic import ConfigDict

FROZEN: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
"""They do not change, none is unknown, and no error shows what was written."""
