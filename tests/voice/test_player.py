import pytest

from voice.player import CannotPlay, find_player, play


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A machine whose programs are those that a test writes."""
    monkeypatch.setenv("PATH", f"{tmp_path}")

    def install(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return install


async def test_without_a_player_it_says_what_to_install(programs, tmp_path):
    assert find_player() is None
    with pytest.raises(CannotPlay, match="install pulseaudio-utils"):
        await play(tmp_path / "answer.wav")


async def test_the_best_player_is_given_the_file(programs, tmp_path):
    programs("ffplay", "exit 1")
    programs("aplay", f'echo "$@" > {tmp_path}/played')
    assert find_player() == "aplay"
    await play(tmp_path / "answer.wav")
    assert (tmp_path / "played").read_text() == f"-q {tmp_path}/answer.wav\n"


async def test_a_players_complaint_is_passed_on(programs, tmp_path):
    programs("aplay", "echo 'ALSA lib x' >&2; echo 'no sound card' >&2; exit 1")
    with pytest.raises(CannotPlay, match=r"aplay could not play .*: no sound card"):
        await play(tmp_path / "answer.wav")
