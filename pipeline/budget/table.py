"""A plan in words and tables that a terminal of 100 columns shows."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from pipeline.budget.catalogue import Machine
from pipeline.budget.memory import CannotPlan, NoCheckpoint, TooLarge
from pipeline.budget.plan import Plan, Recommendation, Target
from pipeline.budget.roofline import Check, Speed

WIDTH = 100
_HEAD = (
    f"{'':2}{'model':32}{'weights':>9}{'GiB':>8}{'spare':>8}{'first':>8}{'tool':>8}{'ms/tok':>8}{'tok/s':>7}{'held':>6}"
)


def survey(
    machine: Machine, plans: Sequence[Plan], missing: Sequence[CannotPlan], chosen: Recommendation | None
) -> str:
    """Tell of all models, each at its best precision, and of the recommended one with its arithmetic."""
    load = plans[0].load if plans else None
    lines = [_machine(machine)]
    if load is not None:
        boxes = f", {load.boxes} boxes" if load.boxes > 1 else ""
        lines += [f"{load.conversations} conversations of {load.context:,} tokens{boxes}", "", _HEAD]
        lines += [_row(plan, chosen is not None and plan is chosen.plan) for plan in plans]
        lines += _wrapped(
            "GiB needed with the reserve; seconds to the first token with the prefix cached and to a chosen tool, and "
            f"tokens/s, for one conversation; ms a token for {load.conversations}; targets held of {_count(plans)}."
        )
    lines += _not_planned(missing)
    lines.append("")
    if chosen is None:
        return "\n".join([*lines, "Nothing fits: fewer conversations, a shorter context, or a larger machine."])
    plan = chosen.plan
    lines.append(f"Recommended: {plan.model.name} at {plan.checkpoint.precision} with {plan.engine}")
    for reason in chosen.why:
        lines += _wrapped(f"  - {reason}", indent="    ")
    return "\n".join([*lines, "", *_breakdown(plan)])


def breakdown(plan: Plan, others: Sequence[Plan] = (), instead: Plan | None = None) -> str:
    """Tell all of one plan, beside the model's other precisions, and what fits where it does not."""
    lines = [_machine(plan.machine)]
    if len(others) > 1:
        lines += ["", _HEAD, *(_row(other, other is plan) for other in others), ""]
    lines.append(f"{plan.model.name} at {plan.checkpoint.precision} with {plan.engine}")
    verdict = _verdict(plan)
    lines += [*_wrapped(verdict), "", *_breakdown(plan)]
    if instead is not None:
        name = f"{instead.model.name} at {instead.checkpoint.precision}"
        lines += ["", *_wrapped(f"Nearest that fits: {name}, {instead.memory.needed:.1f} GiB, {_held(instead)}.")]
    return "\n".join(lines)


def accuracy(efficiency: Mapping[str, float], checks: Sequence[Check]) -> str:
    """Tell what the efficiency is, and which measurements it misses when their model is left out of the fit."""
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in sorted(efficiency.items()))
    lines = _wrapped(f"Share of the bandwidth reached, fitted to measurements: {kinds or 'nothing was measured'}.")
    told = [check for check in checks if check.error is not None]
    if not told:
        return "\n".join(lines)
    misses = [check for check in told if check.missed]
    lines += _wrapped(
        f"Each model's measurements predicted from the others': {len(told) - len(misses)} of {len(told)} within 25%"
        + (", but not:" if misses else ".")
    )
    lines += [_missed(check) for check in misses]
    return "\n".join(lines)


def _missed(check: Check) -> str:
    measured = check.measurement
    name = f"{check.model} {measured.precision} on {measured.machine}"
    return f"  - {name:52} measured {measured.tokens_per_second:6.1f}, predicted {check.predicted:6.1f} tokens/s"


def _not_planned(missing: Sequence[CannotPlan]) -> Iterator[str]:
    """What has no checkpoint here is one line for all; a missing figure is worth a line of its own."""
    absent = [reason.model for reason in missing if isinstance(reason, NoCheckpoint)]
    if absent:
        yield from _wrapped(f"No checkpoint for this engine and machine: {', '.join(absent)}.")
    for reason in missing:
        if not isinstance(reason, NoCheckpoint):
            mark = "no " if isinstance(reason, TooLarge) else "?  "
            yield from _wrapped(f"  {mark}{reason}", indent=" " * 5)


def _machine(machine: Machine) -> str:
    measured = "measured" if machine.bandwidth_measured else "nominal"
    memory = "unified memory" if machine.unified else "of its own memory"
    return f"{machine.name}: {machine.memory_gib:g} GiB {memory}, {machine.bandwidth:g} GB/s {measured}"


def _row(plan: Plan, chosen: bool) -> str:
    name = plan.model.name.rpartition("/")[2]
    name = name if len(name) <= 31 else f"{name[:30]}…"
    memory = plan.memory
    held = f"{plan.held}" if plan.fits else "no"
    return (
        f"{'>' if chosen else ' ':2}{name:32}{plan.checkpoint.precision:>9}{memory.needed:8.1f}{memory.spare:8.1f}"
        f"{plan.alone.cached:8.2f}{plan.alone.tool_call:8.2f}{plan.together.token * 1000:8.0f}"
        f"{plan.alone.tokens_per_second:7.0f}{held:>6}"
    )


def _count(plans: Sequence[Plan]) -> int:
    return len(plans[0].targets) if plans else 0


def _verdict(plan: Plan) -> str:
    memory = plan.memory
    if plan.load.context > plan.model.context:
        return f"It cannot: its longest context is {plan.model.context:,} tokens, {plan.load.context:,} are wanted."
    if not memory.fits:
        return (
            f"It does not fit: {memory.needed:.1f} GiB needed, {memory.available:.1f} there, {-memory.spare:.1f} short."
        )
    return f"It fits: {memory.needed:.1f} of {memory.available:.1f} GiB, {memory.spare:.1f} spare; {_held(plan)}."


def _held(plan: Plan) -> str:
    return f"{plan.held} of {len(plan.targets)} targets hold"


def _breakdown(plan: Plan) -> Iterator[str]:
    yield "memory, GiB"
    for item in plan.memory.items:
        yield from _wrapped(f"  {item.name:14}{item.gib:8.2f}  {item.how}", indent=" " * 26)
    total = f"  {'in all':14}{plan.memory.needed:8.2f}  of {plan.memory.available:.2f}, {plan.memory.spare:.2f} spare"
    yield from (
        total,
        "",
        f"speed{'':9}{'first, cached':>15}{'not cached':>12}{'tool':>8}{'ms/token':>10}{'tokens/s':>10}{'all':>8}",
    )
    yield from (_speed(speed) for speed in (plan.alone, plan.together))
    yield from ("", "targets")
    yield from (_target(target) for target in plan.targets)


def _speed(speed: Speed) -> str:
    who = f"  {speed.conversations} speak" if speed.conversations > 1 else "  1 speaks"
    return (
        f"{who:14}{speed.cached:13.2f} s{speed.uncached:10.2f} s{speed.tool_call:6.2f} s{speed.token * 1000:10.0f}"
        f"{speed.tokens_per_second:10.0f}{speed.total:8.0f}"
    )


def _target(target: Target) -> str:
    sign = "<" if target.unit == "s" else ">="
    value = f"{target.value:.3g} {target.unit}".rstrip()
    limit = f"{sign} {target.limit:g} {target.unit}".rstrip()
    return f"  {'holds' if target.held else 'fails':7}{target.name:17}{value:>14}  {limit:15}{target.how}"


def _wrapped(text: str, *, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False)
