import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline import audit
from pipeline.audit import Audit, forget_calls, last_calls
from tests.tools.calling import ALL, context
from tools.executor import Executor
from tools.outcomes import Status
from tools.tool import Context, Effect, Failed, Result, tool

SECRET = "4711 is the code"


async def tell(context: Context, secret: str) -> Result:
    """Tell a secret."""
    if secret == "fail":
        raise Failed("It is away.")
    return Result(f"I know {secret}")


async def calls(folder: Path, *secrets: str, person: str | None = None) -> None:
    log = Audit(folder)
    executor = Executor([tool(tell, effect=Effect.READ)], on_call=log.note)
    for turn, secret in enumerate(secrets):
        await executor.call("tell", {"secret": secret}, replace(context(str(turn)), person=person), allowed=ALL)


async def test_a_call_is_written_down_without_what_it_was_about(tmp_path: Path) -> None:
    await calls(tmp_path, SECRET, person="ana")
    text = (tmp_path / audit.NAME).read_text()
    entry = json.loads(text)
    assert (entry["tool"], entry["status"], entry["person"], entry["device"]) == ("tell", "done", "ana", "kitchen")
    assert "4711" not in text
    assert stat.S_IMODE((tmp_path / audit.NAME).stat().st_mode) == 0o600


async def test_when_a_tool_last_worked_is_known(tmp_path: Path) -> None:
    assert last_calls(tmp_path) == {}
    await calls(tmp_path, "a", "fail")
    last = last_calls(tmp_path)["tell"]
    assert last.status == Status.FAILED
    assert last.worked is not None
    assert last.worked <= last.called


async def test_a_persons_calls_are_forgotten_and_no_others(tmp_path: Path) -> None:
    await calls(tmp_path, "a", "b", person="ana")
    await calls(tmp_path, "c", person="bob")
    forget_calls(tmp_path, "ana")
    text = (tmp_path / audit.NAME).read_text()
    assert "ana" not in text
    assert text.count("bob") == 1


async def test_a_full_disk_costs_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await calls(tmp_path / "file" / "under", "a")


async def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST", 2000)
    await calls(tmp_path, *map(str, range(40)))
    current, older = ((tmp_path / name).stat() for name in (audit.NAME, f"{audit.NAME}.1"))
    assert max(current.st_size, older.st_size) <= 2000
    assert {stat.S_IMODE(each.st_mode) for each in (current, older)} == {0o600}
    assert not (tmp_path / f"{audit.NAME}.2").exists()


@given(
    some.lists(
        some.text(max_size=60) | some.just('{"at": 4}') | some.just('{"at": "2026-01-01", "tool": 1, "status": "x"}')
    )
)
def test_damaged_lines_are_passed_over(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / audit.NAME).write_text("\n".join(lines), encoding="utf-8", errors="replace")
    assert last_calls(folder) == {}
