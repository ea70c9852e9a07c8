"""How the web doors say no: in one line for people, where clients of OpenAI's API look for it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError
from starlette.responses import JSONResponse

SOON: Final = {"retry-after": "5"}
"""Headers of a refusal that is over once the assistant has loaded or the database answers."""


def refused(message: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Refuse a request."""
    return JSONResponse({"error": {"message": message}}, status, headers)


def invalid(error: ValidationError) -> str:
    """Say which part of a request is wrong, and how; what was sent is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"
