import asyncio
import json
from asyncio.subprocess import PIPE

import pytest

from pipeline.budget.catalogue import Catalogue
from pipeline.budget.figures import Engine
from pipeline.budget.launch import cache_bytes, launch, utilization, vllm_settings
from pipeline.budget.memory import CannotPlan, Load
from pipeline.budget.plan import Plan, Planner
from tests.peers import vllm_environment

CATALOGUE = Catalogue.load()
PLANNER = Planner(CATALOGUE)


def planned(model: str, precision: str, engine: Engine = Engine.VLLM, machine: str = "gx10", **load: int) -> Plan:
    plans = PLANNER.plans(CATALOGUE.machine(machine), CATALOGUE.model(model), Load(**load), engine)
    return next(plan for plan in plans if plan.checkpoint.precision == precision)


def option(command: tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_vllm_gets_the_cache_in_bytes_and_a_share_below_what_hangs_a_gb10() -> None:
    plan = planned("qwen3.6-35b-a3b", "nvfp4", context=32768)
    settings = vllm_settings(plan)
    assert settings.kv_cache_bytes == cache_bytes(plan)
    assert settings.kv_cache_bytes == pytest.approx(plan.memory.gib("cache") * 2**30)
    assert 0.05 <= (settings.memory_utilization or 0) == utilization(plan) < 0.5
    assert settings.model == "nvidia/Qwen3.6-35B-A3B-NVFP4"
    assert (settings.tool_parser, settings.reasoning_parser) == ("qwen3_coder", "qwen3")
    assert settings.moe_backend == "marlin"
    assert settings.speculation == {"method": "mtp", "num_speculative_tokens": 3, "moe_backend": "triton"}


def test_what_was_not_measured_writing_ahead_does_not() -> None:
    assert vllm_settings(planned("qwen3-30b-a3b", "fp8")).speculation is None


def test_bitsandbytes_quantizes_while_loading() -> None:
    assert vllm_settings(planned("llama-3.3-70b", "int4-bnb")).arguments == ("--quantization", "bitsandbytes")


def test_two_boxes_are_joined_by_ray() -> None:
    made = launch(planned("llama-3.3-70b", "fp8", boxes=2))
    assert option(made.command, "--tensor-parallel-size") == "2"
    assert option(made.command, "--distributed-executor-backend") == "ray"
    assert any("ray start" in note for note in made.notes)


def test_tensorrt_llm_reads_its_cache_from_a_file() -> None:
    made = launch(planned("nemotron-3-nano", "nvfp4", Engine.TRTLLM, context=16384, conversations=2))
    assert made.command[0] == "trtllm-serve"
    options = json.loads(made.files[option(made.command, "--extra_llm_api_options")])
    assert options["kv_cache_config"]["max_tokens"] == 16384 * 5
    assert option(made.command, "--max_seq_len") == "16384"
    assert option(made.command, "--tool_parser") == "qwen3_coder"
    assert any("nemotron_v3" in note for note in made.notes)


def test_sglang_and_llama_cpp_get_room_for_all_answers() -> None:
    sglang = launch(planned("qwen3-30b-a3b", "fp8", Engine.SGLANG)).command
    assert option(sglang, "--max-total-tokens") == str(8192 * 8)
    assert option(sglang, "--tool-call-parser") == "hermes"
    llama = launch(planned("gpt-oss-120b", "mxfp4", Engine.LLAMA_SERVER)).command
    assert option(llama, "--hf-repo") == "ggml-org/gpt-oss-120b-GGUF"
    assert option(llama, "--ctx-size") == str(8192 * 8)


def test_a_checkpoint_without_a_name_cannot_be_started() -> None:
    with pytest.raises(CannotPlan, match=r"engine\.model"):
        launch(planned("nemotron-3.5-lightning", "nvfp4"))


@pytest.mark.skipif(
    not vllm_environment.ready(),
    reason="vLLM's environment is not here: python -m tests.peers.vllm_environment makes it",
)
async def test_vllm_understands_every_command_that_a_plan_makes() -> None:
    plans = [plan for model in CATALOGUE.models("language") for plan in _plans(model.id)]
    commands = [launch(plan).command[3:] for plan in plans if plan.checkpoint.name is not None]
    assert len(commands) > 30
    parse = (
        "import json, sys; from vllm.entrypoints.launchers.cli_args import make_arg_parser as make\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser as Parser\n"
        "parser = make(Parser())\n"
        "print(sum(parser.parse_args(command).max_num_seqs for command in json.load(sys.stdin)))\n"
    )
    process = await asyncio.create_subprocess_exec(
        vllm_environment.PYTHON, "-P", "-c", parse, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate(json.dumps(commands).encode())
    assert output.decode().split()[-1:] == [str(8 * len(commands))], errors.decode()[-1000:]


def _plans(model: str) -> list[Plan]:
    try:
        return PLANNER.plans(CATALOGUE.machine("gx10"), CATALOGUE.model(model), Load(), Engine.VLLM)
    except CannotPlan:
        return []
