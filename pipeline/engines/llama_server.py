"""The program of the embedded language model's process: llama.cpp behind its OpenAI-compatible HTTP server.

`pipeline.engines.embedded` starts it by its path, in a process of its own, so that a crash of native code takes no
conversation with it. It imports nothing of ours. Protocol: the bearer key comes in the environment as
`LLAMA_API_KEY`; once requests are served, one line of JSON, `{"port": 40123}`, goes to standard output; logs go
to standard error. It ends when standard input does, which is when its parent ends, however that came about.
"""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

import xllamacpp

# While a long prompt is read, the others' answers halt for one batch at a time: half a second or so on one core.
_BATCH_TOKENS = 256
# Conversations that had to leave their slot wait here: about 5,000 tokens of SmolLM2-135M.
_PARKED_MIB = 128
# In thousandths of all memory that are added to what a process takes before the kernel compares.
_OOM_SCORE = "500"


def main() -> None:
    """Serve until standard input ends. SIGTERM ends it at once, for there is nothing to save."""
    options = _options()
    _be_killed_first()
    # Native code prints what it likes to standard output; only the ready line may reach the parent.
    ready = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        server = xllamacpp.Server(_parameters(options))
    except RuntimeError as error:
        sys.exit(str(error))
    port = int(server.listening_address.rpartition(":")[2])
    with os.fdopen(ready, "w") as stream:
        print(json.dumps({"port": port}), file=stream)
    sys.stdin.buffer.read()
    # Skips native clean-up, which would wait for answers that nobody reads any more.
    os._exit(0)


def _be_killed_first() -> None:
    """Have the kernel take this process where memory runs out: it is started again, a conversation would be lost."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a GGUF model on the loopback address.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--template", type=Path, required=True, help="chat template, in Jinja")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--threads", type=int, required=True, help="that write an answer")
    parser.add_argument("--reading-threads", type=int, required=True, help="that read a prompt")
    parser.add_argument("--context", type=int, default=8192, help="tokens that all conversations share")
    parser.add_argument("--slots", type=int, default=4, help="conversations answered at the same time")
    parser.add_argument("--prefixes", type=Path, help="folder that slots may be saved to")
    return parser.parse_args()


def _parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(options.model)
    parameters.model_alias = {options.model.stem}
    parameters.chat_template = options.template.read_text(encoding="utf-8")
    parameters.port = options.port
    parameters.api_keys = [os.environ.pop("LLAMA_API_KEY")]
    parameters.cors_origins = ""
    parameters.cors_credentials = False
    parameters.ui = False
    # Warnings and errors. What is more verbose ends with the key and with what people said.
    parameters.verbosity = 2
    parameters.endpoint_slots = False
    # Unlike /health, this answers through the queue of the thread that computes, so it shows when that hangs.
    parameters.endpoint_metrics = True
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.reading_threads
    # Measuring what fits would load the model twice.
    parameters.fit_params = False
    parameters.n_ctx = options.context
    parameters.n_parallel = options.slots
    # One pool: a lone conversation may fill it, and idle ones keep their prefix until the room is needed.
    parameters.kv_unified = True
    parameters.cache_idle_slots = False
    parameters.cache_ram_mib = _PARKED_MIB
    if options.prefixes:
        parameters.slot_save_path = f"{options.prefixes}/"
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
    return parameters


if __name__ == "__main__":
    main()
