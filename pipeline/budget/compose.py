"""The `.env` that the compose files in `docker/` read: the model, its arguments, and every container's memory."""

import math
import shlex

from pipeline.budget.figures import Engine, figures
from pipeline.budget.launch import vllm_settings
from pipeline.budget.memory import GIB
from pipeline.budget.plan import Plan
from pipeline.engines.vllm_arguments import arguments

_HEADROOM = 1.25
"""A limit is not a prediction: what goes over it is killed."""
_POSTGRES_SHARE = 0.75
_SPEECH_BESIDE_A_CARD = 3.0
_MIB = 1 << 20


def environment(plan: Plan) -> str:
    """Write the variables of a plan. Raises `CannotPlan` where the checkpoint has no name to load it by."""
    memory = plan.memory
    stores = figures().stores.process.value
    model = ("weights", "cache", "activations", "engine")
    own = memory.gib("speech", "assistant", "conversations", *(model if plan.engine is Engine.EMBEDDED else ()))
    load = f"{plan.load.conversations} conversations of {plan.load.context:,} tokens"
    lines = [
        f"# Made by passfel plan for {plan.model.name} at {plan.checkpoint.precision} on {plan.machine.name}:",
        f"# {load}, {memory.needed:.1f} of {memory.available:.1f} GiB with everything.",
        # Beside a card with memory of its own, speech is in the computer's, which this plan does not know.
        f"PASSFEL_MEMORY={_limit(own or _SPEECH_BESIDE_A_CARD)}",
        f"POSTGRES_MEMORY={_limit(_POSTGRES_SHARE * stores)}",
        f"REDIS_MEMORY={_limit((1 - _POSTGRES_SHARE) * stores)}",
    ]
    if plan.engine is Engine.VLLM:
        settings = vllm_settings(plan)
        lines += [
            f"VLLM_MEMORY={_limit(memory.gib(*model))}",
            f"VLLM_MODEL={settings.name}",
            f"VLLM_CONTEXT={settings.context}",
            f"VLLM_ARGUMENTS={_quoted(shlex.join(arguments(settings)))}",
        ]
    return "\n".join(lines) + "\n"


def _limit(gib: float) -> str:
    return f"{math.ceil(_HEADROOM * gib * GIB / _MIB)}m"


def _quoted(text: str) -> str:
    # Compose reads backslashes in double quotes, and a dollar as the beginning of a name.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
