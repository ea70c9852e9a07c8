"""What can be known of `docker/` without Docker: the files' shape, what they name, and hadolint's opinion."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pipeline.settings import Settings

FOLDER = Path(__file__).resolve().parents[1] / "docker"
BOXES = ["compose.cpu.yaml", "compose.gx10.yaml", "compose.nvidia.yaml"]
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/-]*:[\w][\w.-]{0,127}")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def services(box: str) -> dict[str, dict[str, Any]]:
    """The box's services, each over what it extends."""
    found = {}
    for name, service in read(box)["services"].items():
        extended = read(service["extends"]["file"])["services"][service["extends"]["service"]]
        environment = {**extended.get("environment", {}), **service.get("environment", {})}
        found[name] = {**extended, **service, "environment": environment}
    return found


ALL = [(box, name) for box in BOXES for name in services(box)]


@pytest.mark.parametrize(("box", "name"), ALL)
def test_every_service_is_watched_limited_restarted_and_without_rights(box: str, name: str) -> None:
    service = services(box)[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["mem_limit"]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize(("box", "name"), ALL)
def test_only_the_doors_are_open_to_others(box: str, name: str) -> None:
    for port in services(box)[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:")


@pytest.mark.parametrize(("box", "name"), ALL)
def test_images_have_a_tag_and_passwords_come_from_files(box: str, name: str) -> None:
    service = services(box)[name]
    image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
    assert IMAGE.fullmatch(image)
    assert not image.endswith(":latest")
    for variable in service["environment"]:
        assert not re.search(r"PASSWORD$|TOKEN$|KEY$|SECRET$", variable), f"{variable} would be seen by everybody"


@pytest.mark.parametrize("box", BOXES)
def test_what_is_named_is_there(box: str) -> None:
    made = read(box)
    for service in services(box).values():
        for secret in service.get("secrets", []):
            assert secret in made["secrets"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in made["volumes"]
        for other in service.get("depends_on", {}):
            assert other in made["services"]
        if "build" in service:
            assert (FOLDER.parent / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("box", BOXES)
def test_every_variable_of_passfel_is_a_setting(box: str) -> None:
    for variable in services(box)["passfel"]["environment"]:
        if not variable.startswith("PASSFEL_"):
            continue
        group: type[BaseModel] = Settings
        *groups, last = variable.removeprefix("PASSFEL_").lower().split("__")
        for name in groups:
            group = group.model_fields[name].annotation  # type: ignore[assignment]
        assert last in group.model_fields, variable


def test_the_plan_makes_what_the_boxes_read(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "passfel", "plan", "--machine", "gx10", "--env"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    given = dict(line.split("=", 1) for line in made.splitlines() if not line.startswith("#"))
    wanted = set()
    for name in ("base.yaml", "vllm.yaml"):
        wanted |= set(re.findall(r"\$\{(\w+):\?", (FOLDER / name).read_text(encoding="utf-8")))
    assert wanted <= set(given)
    assert all(re.fullmatch(r"\d+m", value) for name, value in given.items() if name.endswith("_MEMORY"))
    assert "--kv-cache-memory-bytes" in given["VLLM_ARGUMENTS"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.Dockerfile")), ids=lambda file: file.name)
def test_hadolint_has_nothing_against_it(file: Path) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    checked = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert not checked.stdout


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.Dockerfile")), ids=lambda file: file.name)
def test_what_is_copied_is_there_and_not_ignored(file: Path) -> None:
    root = FOLDER.parent
    allowed = {line.removeprefix("!") for line in (root / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (root / source).exists()
                assert source in allowed
