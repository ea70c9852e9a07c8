"""A plan as a picture: bars of memory, and each target's share of its limit. SVG, written by hand."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from pipeline.budget.plan import Plan, Target

_WIDTH, _LEFT, _RIGHT = 1000, 260, 60
_ROW, _BAR = 34, 20
_COLOURS = {
    "weights": "#2f5d8a",
    "cache": "#5b9bd5",
    "activations": "#9dc3e6",
    "engine": "#7f7f7f",
    "speech": "#548235",
    "assistant": "#70ad47",
    "conversations": "#a9d18e",
    "stores": "#bf9000",
    "system": "#a6a6a6",
    "reserve": "#f4b183",
}
_HELD, _FAILED = "#548235", "#c00000"
_MOST_SHARE = 2.0
"""A target is drawn up to this multiple of its limit."""


def svg(plans: Sequence[Plan]) -> str:
    """Draw the plans' memory as bars, and the first one's targets against their limits.

    Raises `ValueError` where there is no plan.
    """
    if not plans:
        raise ValueError("there is no plan to draw")
    body = [*_memory(plans), *_targets(plans[0], top=_memory_height(plans))]
    height = _memory_height(plans) + _ROW * (len(plans[0].targets) + 3)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    style = "text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.small{font-size:11px}.inside{fill:#fff}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _memory_height(plans: Sequence[Plan]) -> int:
    return _ROW * (len(plans) + 4)


def _memory(plans: Sequence[Plan]) -> Iterator[str]:
    machine = plans[0].machine
    widest = max([machine.memory_gib, *(plan.memory.needed for plan in plans)])
    scale = (_WIDTH - _LEFT - _RIGHT) / widest
    yield _text(20, 26, f"Memory on {machine.name}, GiB", "title")
    for row, plan in enumerate(plans):
        top = _ROW * (row + 1) + 10
        yield _text(20, top + 15, f"{_short(plan.model.name)} {plan.checkpoint.precision}")
        left = float(_LEFT)
        for item in plan.memory.items:
            width = item.gib * scale
            title = f"{item.name} {item.gib:.2f} GiB"
            yield _bar(left, top, width, _COLOURS.get(item.name, "#ccc"), title)
            left += width
        yield _text(left + 6, top + 15, f"{plan.memory.needed:.1f}", "small")
    end = _LEFT + machine.memory_gib * scale
    bottom = _ROW * (len(plans) + 1) + 10
    yield f'<line x1="{end:.1f}" x2="{end:.1f}" y1="34" y2="{bottom}" stroke="#000" stroke-dasharray="4 3"/>'
    yield _text(end - 4, bottom + 14, f"{machine.memory_gib:g}", "small", anchor="end")
    yield from _legend(plans, bottom + 34)


def _legend(plans: Sequence[Plan], top: int) -> Iterator[str]:
    names = dict.fromkeys(item.name for plan in plans for item in plan.memory.items)
    for place, name in enumerate(names):
        left = 20 + place * 96
        yield _bar(left, top - 10, 11, _COLOURS.get(name, "#ccc"), name, height=11)
        yield _text(left + 15, top, name, "small")


def _targets(plan: Plan, *, top: int) -> Iterator[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / _MOST_SHARE
    yield _text(20, top + 26, f"{_short(plan.model.name)} {plan.checkpoint.precision}: against each target", "title")
    for row, target in enumerate(plan.targets):
        y = top + _ROW * (row + 1) + 10
        yield _text(20, y + 15, f"{target.name} {_sign(target)} {target.limit:g} {target.unit}".rstrip())
        width = min(target.share, _MOST_SHARE) * scale
        value = f"{target.value:.3g} {target.unit}".rstrip()
        yield _bar(_LEFT, y, width, _HELD if target.held else _FAILED, f"{target.name} {value}")
        if width < (_WIDTH - _LEFT - _RIGHT) - 60:
            yield _text(_LEFT + width + 6, y + 15, value, "small")
        else:
            yield _text(_LEFT + width - 6, y + 15, value, "small inside", anchor="end")
    limit = _LEFT + scale
    bottom = top + _ROW * (len(plan.targets) + 1) + 10
    yield f'<line x1="{limit}" x2="{limit}" y1="{top + 34}" y2="{bottom}" stroke="#000" stroke-dasharray="4 3"/>'
    yield _text(limit, bottom + 14, "limit", "small", anchor="middle")


def _sign(target: Target) -> str:
    return "<" if target.unit == "s" else "≥"


def _short(name: str) -> str:
    name = name.rpartition("/")[2]
    return name if len(name) <= 28 else f"{name[:27]}…"


def _bar(left: float, top: float, width: float, colour: str, title: str, *, height: int = _BAR) -> str:
    shape = f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(width, 0.5):.1f}" height="{height}" fill="{colour}">'
    return f"{shape}<title>{escape(title)}</title></rect>"


def _text(left: float, top: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{left:.1f}" y="{top:.1f}"{kind} text-anchor="{anchor}">{escape(text)}</text>'
