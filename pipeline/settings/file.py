"""Reads the settings: `passfel.toml` and `PASSFEL_…` environment variables, once.

The environment wins over the file. A nested setting's variable joins its names with two underscores:
`language.url` is `PASSFEL_LANGUAGE__URL`. An empty variable counts as absent.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import platformdirs
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from pipeline import credentials
from pipeline.credentials import CredentialsUnreadable
from pipeline.settings import DELIMITER, PREFIX, Settings
from pipeline.settings.addresses import expanded

FILE_NAME: Final = "passfel.toml"


class SettingsInvalid(Exception):  # noqa: N818 - reads as what is wrong
    """A setting is unknown or its value is no good; the message has one line for each, with what to do."""


def find_file() -> Path | None:
    """Find `passfel.toml` in the current folder, else in the platform's configuration folder."""
    folders = Path.cwd(), platformdirs.user_config_path("passfel", appauthor=False)
    return next((file for folder in folders if (file := folder / FILE_NAME).is_file()), None)


def load(file: Path | None = None) -> Settings:
    """Read the settings from `file` (default: where `find_file` finds it) and the environment.

    Raises `SettingsInvalid`, whose message has one line for each setting that is unknown or no good, named as
    it is written in the file or as its variable. Values are never repeated in it.
    """
    file = file or find_file()
    values = _read(file) if file else {}
    values = _with_credentials(values)
    unknown = list(_unknown_variables())
    try:
        settings = Settings(**values)
    except ValidationError as error:
        where = file or Path(FILE_NAME)
        problems = [_explain(detail, where) for detail in error.errors(include_url=False, include_input=False)]
    except SettingsError as error:
        problems = [f"{PREFIX}…: {error}; set its parts one by one, such as PASSFEL_LANGUAGE__URL"]
    else:
        if not unknown:
            return settings
        problems = []
    # Only the text goes on: pydantic's error, as cause or context, could show values.
    raise SettingsInvalid("\n".join(unknown + problems)) from None


def _with_credentials(values: dict[str, Any]) -> dict[str, Any]:
    """Add what `passfel connect` has kept where the file says nothing else."""
    named = os.environ.get(f"{PREFIX}DATA_DIR") or values.get("data_dir")
    folder = (
        expanded(Path(named))
        if isinstance(named, str)
        else Settings.model_fields["data_dir"].get_default(call_default_factory=True)
    )
    try:
        kept = credentials.read(folder)
    except CredentialsUnreadable as error:
        raise SettingsInvalid(str(error)) from None
    groups = {name: {**group, **values[name]} for name, group in kept.items() if isinstance(values.get(name), dict)}
    return {**kept, **values, **groups}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{file}: this is not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsInvalid(f"{file}: cannot be read: {reason}") from None


def _names() -> dict[str, set[str]]:
    """Every setting's name, and the names inside it where it is a group."""
    defaults = {name: field.default for name, field in Settings.__pydantic_fields__.items()}
    return {
        name: set(default.__pydantic_fields__) if isinstance(default, BaseModel) else set()
        for name, default in defaults.items()
    }


def _unknown_variables() -> Iterator[str]:
    """Describe the variables that begin with our prefix and name no group or setting.

    pydantic-settings overlooks these; a wrong name inside a group it reports itself.
    """
    fields = Settings.__pydantic_fields__
    for variable in sorted(os.environ):
        if not variable.upper().startswith(PREFIX):
            continue
        setting = variable[len(PREFIX) :].lower()
        group, _, rest = setting.partition(DELIMITER)
        if group not in fields or (rest and not isinstance(fields[group].default, BaseModel | dict)):
            suggestion = _suggestion(setting.split(DELIMITER), variable=True)
            yield f"{variable}: there is no such setting{suggestion}"


def _suggestion(setting: list[str], *, variable: bool) -> str:
    known = [[group, name] for group, inside in _names().items() for name in inside] + [[name] for name in _names()]
    joined = {".".join(name): name for name in known}
    close = difflib.get_close_matches(".".join(setting), joined, n=1, cutoff=0.75)
    if not close:
        return "; see passfel.example.toml for those there are"
    return f"; did you mean {_variable(joined[close[0]]) if variable else close[0]}?"


def _variable(setting: list[str]) -> str:
    return PREFIX + DELIMITER.join(setting).upper()


def _explain(detail: ErrorDetails, file: Path) -> str:
    setting = [str(part) for part in detail["loc"] if isinstance(part, str)]
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if not setting:
        return message
    variables = {name.upper() for name, value in os.environ.items() if value}
    from_environment = _variable(setting) in variables
    name = _variable(setting) if from_environment else f"{file}: {'.'.join(setting)}"
    if detail["type"] == "extra_forbidden":
        return f"{name}: there is no such setting{_suggestion(setting, variable=from_environment)}"
    return f"{name}: {message}"
