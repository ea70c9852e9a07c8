"""The front door: settings, the command line, and the wiring of the rooms behind it."""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from pipeline import tool_commands
from pipeline.budget import command as budget_command
from pipeline.budget.command import PlanFailed
from pipeline.engines import engine_control
from pipeline.engines.engine_control import EngineCommandFailed
from pipeline.settings import Settings, is_loopback
from pipeline.settings import file as settings_file
from pipeline.settings.file import SettingsInvalid
from pipeline.store import command as store_command
from pipeline.store.command import StoreCommandFailed
from pipeline.tool_commands import ToolCommandFailed
from satellites.pairing import command as pairing_command
from satellites.pi import command as satellite_command
from satellites.pi.command import SatelliteFailed
from satellites.sip import command as sip_command

if TYPE_CHECKING:
    from satellites.realtime.talk import Report

EXAMPLES = """\
examples:
  passfel serve                         run the assistant; then open http://localhost:7860
  passfel talk question.wav             ask it something from a recording, and hear the answer with --play
  passfel chat                          type to it instead
  passfel say "Good morning" -o hi.wav  speak
  passfel hear question.wav             write down what is said
  passfel learn ~/Documents/manuals     let it answer from your documents
  passfel connect homeassistant         control the house; also caldav, venice
  passfel tools                         see what it can use, and when that last worked
  passfel backup house.tar.gz           keep what it remembers in a safe place
  passfel plan --machine gx10           see which language model fits a machine, before fetching any
  passfel engine start                  run vLLM with the model that the settings name
  passfel satellite --server URL        make this machine a satellite of an assistant elsewhere
  passfel doctor                        see what is installed, what is missing and how to mend it

Settings come from passfel.toml (here, or in the platform's configuration folder) and from PASSFEL_…
variables, such as PASSFEL_PORT or PASSFEL_LANGUAGE__URL. passfel.example.toml explains them all.
"""


class CommandFailed(Exception):  # noqa: N818 - reads as what happened
    """A command could not do what it was asked; the message is for people and says what to do."""


FAILURES = (
    SettingsInvalid,
    CommandFailed,
    EngineCommandFailed,
    PlanFailed,
    SatelliteFailed,
    StoreCommandFailed,
    ToolCommandFailed,
)
"""Each has a message for people, which says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 failed, 2 not understood."""
    options = _parser().parse_args(arguments)
    try:
        chosen = settings_file.load(options.config)
        _log_to_stderr(chosen.log_level if options.runs_on else "WARNING")
        status: int = options.command(chosen, options)
        sys.stdout.flush()
    except FAILURES as error:
        for line in str(error).splitlines():
            print(f"{_paint('passfel:', RED, sys.stderr)} {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has; nothing may be flushed to them at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="passfel",
        description="A self-hosted, voice-first assistant for a household.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"passfel {version()}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings to read instead of passfel.toml")
    parser.set_defaults(runs_on=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the assistant", description="Run the assistant until Ctrl-C.")
    serve.set_defaults(command=_serve, runs_on=True)
    planning = serve.add_mutually_exclusive_group()
    planning.add_argument("--auto", action="store_true", help="take smaller models where memory is short")
    planning.add_argument("--unplanned", action="store_true", help="load without looking whether there is memory")

    talk = commands.add_parser(
        "talk",
        help="speak recordings to a running assistant",
        description="Speak recordings to a running assistant in real time, as turns of one conversation.",
    )
    talk.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a recording: WAV, FLAC, OGG or MP3")
    talk.add_argument(
        "-o", "--output", type=Path, default=Path("answer.wav"), help="where the answers go (%(default)s)"
    )
    talk.add_argument("--play", action="store_true", help="play the answers, too")
    talk.add_argument("--server", metavar="URL", help="the assistant's address (default: the one in the settings)")
    talk.set_defaults(command=_talk)

    chat = commands.add_parser(
        "chat",
        help="type to a running assistant",
        description="Type to a running assistant, or pipe questions in, one a line.",
    )
    chat.add_argument("--server", metavar="URL", help="the assistant's address (default: the one in the settings)")
    chat.set_defaults(command=_chat)

    mcp = commands.add_parser(
        "mcp",
        help="offer the house's tools to another program",
        description="Speak the Model Context Protocol on standard input and output, for programs that start a server. "
        "It hands on to a running assistant, which serves the same at /mcp.",
    )
    mcp.add_argument("--server", metavar="URL", help="the assistant's address (default: the one in the settings)")
    mcp.set_defaults(command=_mcp)

    say = commands.add_parser("say", help="speak a text", description="Speak a text with the assistant's voice.")
    say.add_argument("text", metavar="TEXT")
    say.add_argument("-o", "--output", type=Path, metavar="FILE", help="write a WAV instead of playing it")
    say.set_defaults(command=_say)

    hear = commands.add_parser("hear", help="write down what is said", description="Transcribe recordings.")
    hear.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a recording: WAV, FLAC, OGG or MP3")
    hear.set_defaults(command=_hear)

    store_command.add_commands(commands)
    budget_command.add_commands(commands)
    engine_control.add_commands(commands, _own_address)
    tool_commands.add_commands(commands)
    pairing_command.add_commands(commands, _own_address)
    satellite_command.add_commands(commands)
    sip_command.add_commands(commands, _own_address)

    doctor = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Say what is installed, what is wrong, how to mend it.",
    )
    doctor.set_defaults(command=_doctor)
    return parser


def version() -> str:
    """Return the installed version."""
    try:
        return metadata.version("passfel")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _serve(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline import doctor
    from pipeline.budget import memory_need
    from voice.models import ModelMissing

    print(f"PASSFEL {version()}", flush=True)
    with _failing(ModelMissing, memory_need.NotEnoughMemory):
        if not options.unplanned:
            chosen, decided = memory_need.fitting(chosen, auto=options.auto)
            print(decided, end="\n" if decided else "", flush=True)
        for part, model in doctor.models_in_use(chosen):
            print(f"  {part:9} {model}", flush=True)
    print(f"  {'data':9} {chosen.data_dir}", flush=True)

    from pipeline.assistant import Assistant
    from pipeline.engines.embedded import LanguageEngineError
    from satellites.http import CannotListen, serve
    from voice.piper import VoiceError
    from voice.whisper import WhisperError

    def listening(addresses: list[str]) -> None:
        print(f"Listening at {' and '.join(addresses)} - warming up, Ctrl-C ends", flush=True)

    with _failing(
        CannotListen, ModelMissing, WhisperError, VoiceError, LanguageEngineError, memory_need.NotEnoughMemory
    ):
        serve(Assistant(chosen, planned=not options.unplanned), chosen, on_listening=listening)
    print("Ended.")
    return 0


def _talk(chosen: Settings, options: argparse.Namespace) -> int:
    from satellites.realtime.talk import RATE, TalkFailed, talk
    from voice import recordings
    from voice.player import CannotPlay, play

    token = chosen.token.get_secret_value() if chosen.token else None
    server = (options.server or _own_address(chosen)).rstrip("/")
    with _failing(TalkFailed, recordings.RecordingUnreadable, CannotPlay):
        answers = asyncio.run(talk(options.files, server=server, token=token, on_turn=_print_turn))
        _write(options.output, answers, RATE)
        print(f"answers are in {options.output}")
        if options.play:
            asyncio.run(play(options.output))
    return 0


def _print_turn(report: "Report") -> None:
    from satellites.realtime.talk import waterfall

    print(f"{_paint(str(report.recording), BOLD)}")
    print(f"  heard     {report.heard or '(nothing)'}")
    print(f"  answered  {report.answered or '(nothing)'}")
    print(f"  {report.first_sound:.2f} s from the end of the recording to the first sound")
    for record in report.records:
        for line in waterfall(record):
            print(f"  {line}")


def _chat(chosen: Settings, options: argparse.Namespace) -> int:
    from satellites.chat.terminal import ChatFailed, chat

    token = chosen.token.get_secret_value() if chosen.token else None
    server = (options.server or _own_address(chosen)).rstrip("/")
    with _failing(ChatFailed):
        return 0 if chat(server=server, token=token) else 1


def _mcp(chosen: Settings, options: argparse.Namespace) -> int:
    from satellites.mcp.bridge import Bridge

    token = chosen.token.get_secret_value() if chosen.token else None
    Bridge(options.server or _own_address(chosen), token).run()
    return 0


def _say(chosen: Settings, options: argparse.Namespace) -> int:
    from voice.models import ModelMissing
    from voice.piper import VoiceError
    from voice.player import CannotPlay, play

    if not options.text.strip():
        raise CommandFailed("there is nothing to say: give a text")
    with _failing(ModelMissing, VoiceError, CannotPlay):
        pcm, rate = asyncio.run(_spoken(chosen, options.text))
        if options.output:
            _write(options.output, pcm, rate)
            print(f"{len(pcm) / (2 * rate):.1f} s are in {options.output}")
        else:
            with tempfile.NamedTemporaryFile(suffix=".wav") as file:
                _write(Path(file.name), pcm, rate)
                asyncio.run(play(Path(file.name)))
    return 0


async def _spoken(chosen: Settings, text: str) -> tuple[bytes, int]:
    from voice.models import piper_voice
    from voice.piper import PiperEngine
    from voice.speakable import speakable

    model = piper_voice(chosen.speaking.voice, chosen.data_dir)
    engine = PiperEngine(model, cache_dir=chosen.data_dir / "cache" / "piper", threads=chosen.speaking.threads)
    try:
        speech = engine.synthesize(speakable(text), speed=chosen.speaking.speed)
        return b"".join([chunk.audio async for chunk in speech]), engine.sample_rate
    finally:
        engine.close()


def _hear(chosen: Settings, options: argparse.Namespace) -> int:
    from voice.models import ModelMissing
    from voice.recordings import RecordingUnreadable
    from voice.whisper import WhisperError

    with _failing(ModelMissing, WhisperError, RecordingUnreadable):
        asyncio.run(_transcribe(chosen, options.files))
    return 0


async def _transcribe(chosen: Settings, files: Sequence[Path]) -> None:
    from voice import recordings
    from voice.models import whisper_model
    from voice.whisper import SAMPLE_RATE, WhisperEngine

    utterances = [(file, recordings.read(file, SAMPLE_RATE)) for file in files]
    hearing = chosen.hearing
    engine = WhisperEngine(
        whisper_model(hearing.model, chosen.data_dir),
        language=None if hearing.language == "auto" else hearing.language,
        beam=hearing.beam,
        threads=hearing.threads,
        compute_type=hearing.compute_type,
        device=hearing.device,
    )
    try:
        for file, samples in utterances:
            text = (await engine.transcribe(samples)).text or "(nothing)"
            print(f"{file}: {text}" if len(files) > 1 else text, flush=True)
    finally:
        engine.close()


def _doctor(chosen: Settings, _: argparse.Namespace) -> int:
    from pipeline.doctor import State, examine

    colours = {State.GOOD: GREEN, State.NOTE: YELLOW, State.WRONG: RED}
    wrong = 0
    print(f"PASSFEL {version()}")
    for finding in examine(chosen):
        wrong += finding.state is State.WRONG
        print(
            f"{_paint(f'{finding.state:5}', colours[finding.state])}  {finding.what:16} {finding.detail}",
            flush=True,
        )
    print(f"{wrong} of these must be mended." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


def _own_address(chosen: Settings) -> str:
    host = "127.0.0.1" if is_loopback(chosen.host) or chosen.host in ("0.0.0.0", "::") else chosen.host  # noqa: S104
    return f"http://[{host}]:{chosen.port}" if ":" in host else f"http://{host}:{chosen.port}"


def _write(file: Path, pcm: bytes, rate: int) -> None:
    from voice import recordings

    try:
        recordings.write(file, pcm, rate)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _failing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors that are for people into a failed command, without a traceback."""
    try:
        yield
    except kinds as error:
        raise CommandFailed(str(error)) from error


def _log_to_stderr(level: str) -> None:
    logger.remove()
    logger.add(sys.stderr, level=level, diagnose=False)


RED, GREEN, YELLOW, BOLD = 31, 32, 33, 1


def _paint(text: str, code: int, stream: TextIO | None = None) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if (stream or sys.stdout).isatty() else text


if __name__ == "__main__":
    sys.exit(main())
