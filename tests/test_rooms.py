"""The house's arrows point one way: passfel.py → satellites → pipeline → voice, tools."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "voice": set(),
    "tools": set(),
    "pipeline": {"voice", "tools"},
    "satellites": {"pipeline", "voice", "tools"},
}
ROOMS = {*MAY_IMPORT, "passfel"}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names & ROOMS


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_to_its_right(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        strangers = imported(file) - MAY_IMPORT[room] - {room}
        assert not strangers, f"{file.relative_to(ROOT)} imports {strangers}"


def test_what_serves_models_knows_nothing_of_who_asks_them() -> None:
    for file in (ROOT / "pipeline" / "engines").glob("*.py"):
        assert "pipeline.orchestrator" not in file.read_text(), file.name
