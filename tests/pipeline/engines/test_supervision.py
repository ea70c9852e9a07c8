"""The protocol between the supervisor and a program that does not keep it."""

import os
import sys

import pytest

from pipeline.engines.supervision import LanguageEngineError, Program, Supervisor


def program(source: str) -> Program:
    return Program(
        name="The engine",
        log_name="engine",
        serves="a model",
        command=lambda _: [sys.executable, "-c", source],
        environment=os.environ,
        key="key",
        health="/health",
        start_seconds=30,
        stop_seconds=3,
        explain=lambda _: None,
        too_slow="wait",
        broken="mend it",
    )


@pytest.mark.parametrize("line", ["Welcome!", "[]", "{}", '{"port": "http"}', '{"port": null}'])
async def test_a_program_that_does_not_tell_its_port_is_named_with_what_it_said(line: str) -> None:
    supervisor = Supervisor(program(f"import sys; print({line!r}, flush=True); sys.stdin.read()"))
    with pytest.raises(LanguageEngineError, match="a model cannot be served: it told no port, but"):
        await supervisor.start()
    await supervisor.stop()
