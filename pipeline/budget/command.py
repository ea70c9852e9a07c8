"""`passfel plan` and `passfel models`: what fits a machine, how fast it will be, and what is known of which model."""

import argparse
import contextlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import tomli_w

from pipeline.budget import comparison, table
from pipeline.budget.catalogue import Catalogue, CatalogueDamaged, Machine, Model, Unknown
from pipeline.budget.detect import Undetected, detect
from pipeline.budget.figures import Engine
from pipeline.budget.memory import CannotPlan, Load
from pipeline.budget.model_config import ConfigDamaged, read_config
from pipeline.budget.plan import Plan, Planner, best, engine_for, nearest, recommend
from pipeline.budget.roofline import leave_one_out

_DEFAULT = Load()
_DRAWN = 12
"""Models in a picture."""


class PlanFailed(Exception):  # noqa: N818 - reads as what happened
    """The plan cannot be made or written; the message is for people and says what to do."""


class Settings(Protocol):
    """What the commands need of the settings."""

    @property
    def data_dir(self) -> Path:
        """Where the household's own models lie."""


def own_models(chosen: Settings) -> Path:
    """Return the folder of the models that the household added to the catalogue."""
    return chosen.data_dir / "catalogue"


def add_commands(commands: Any) -> None:
    """Add `plan` and `models` to a parser's subcommands.

    Each takes the settings and the options and returns the exit status, or raises `PlanFailed`.
    """
    parser = commands.add_parser(
        "plan",
        help="see which language model fits this machine, and how fast it will be",
        description="Plan memory and speed before anything is fetched: which models fit a machine, how fast they will "
        "be there, which targets of a spoken conversation they hold, and which one to take.",
    )
    parser.set_defaults(command=plan)
    _add_machine(parser)
    parser.add_argument("--model", metavar="ID", help="a model of the catalogue (default: compare all)")
    parser.add_argument("--precision", metavar="NAME", help="of the weights, such as fp8 (default: the best)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it into an SVG file")
    parser.add_argument("--arguments", action="store_true", help="print the command that starts it, and its files")
    parser.add_argument("--env", action="store_true", help="print the .env of docker/ for it")

    models = commands.add_parser(
        "models",
        help="compare the language models that are known, or add one",
        description="Compare the language models of the catalogue, show one with the sources of its figures, or add "
        "one from its config.json.",
    )
    actions = models.add_subparsers(title="actions", metavar="ACTION", required=True)
    comparing = actions.add_parser("compare", help="compare all", description="Compare all language models.")
    comparing.set_defaults(command=compare)
    _add_machine(comparing)
    showing = actions.add_parser("show", help="show one", description="Show a model, and where its figures are from.")
    showing.set_defaults(command=show)
    showing.add_argument("model", metavar="ID")
    adding = actions.add_parser(
        "add", help="add one", description="Add a model to the catalogue from its config.json, or the folder with it."
    )
    adding.set_defaults(command=add)
    adding.add_argument("path", type=Path, metavar="PATH")
    adding.add_argument("--name", metavar="NAME", help="what it is loaded by (default: as the config or folder says)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--machine", metavar="ID", help="a machine of the catalogue, such as gx10 (default: this one)")
    parser.add_argument(
        "--context", type=int, default=_DEFAULT.context, metavar="TOKENS", help="of each conversation (%(default)s)"
    )
    parser.add_argument(
        "--conversations", type=int, default=_DEFAULT.conversations, metavar="N", help="at the same time (%(default)s)"
    )
    parser.add_argument("--engine", choices=[str(engine) for engine in Engine], help="(default: by the machine)")
    parser.add_argument("--boxes", type=int, default=_DEFAULT.boxes, metavar="N", help="linked equal machines (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def plan(chosen: Settings, options: argparse.Namespace) -> int:
    """Print the plan; 0 where something fits, 1 where nothing does."""
    with _failing():
        return _plan(options, Catalogue.load(own_models(chosen)))


def compare(chosen: Settings, options: argparse.Namespace) -> int:
    """Print all models side by side."""
    with _failing():
        catalogue = Catalogue.load(own_models(chosen))
        asked = _Asked.read(options, catalogue)
        if options.json:
            told = comparison.as_json(catalogue, asked.machine, asked.load, asked.engine)
            print(json.dumps(told, indent=2))
        else:
            print(comparison.table(catalogue, asked.machine, asked.load, asked.engine))
        return 0


def show(chosen: Settings, options: argparse.Namespace) -> int:
    """Print one model with its sources."""
    with _failing():
        print(comparison.sheet(Catalogue.load(own_models(chosen)).model(options.model)))
        return 0


def add(chosen: Settings, options: argparse.Namespace) -> int:
    """Add a model to the household's own."""
    with _failing():
        model = read_config(options.path, name=options.name)
        file = own_models(chosen) / f"{model.id}.toml"
        figures = model.model_dump(mode="json", exclude={"id"}, exclude_none=True, exclude_defaults=True)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(tomli_w.dumps(figures), encoding="utf-8")
        except OSError as error:
            raise PlanFailed(f"{file} cannot be written: {error.strerror or error}") from None
    print(f"{model.name}: {model.parameters:.3g} billion parameters, {model.active:.3g} of them active, in {file}")
    print(f"What it would need: passfel plan --model {model.id}")
    return 0


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except (Unknown, CannotPlan, CatalogueDamaged, ConfigDamaged, Undetected) as error:
        # A KeyError's text would come in quotes.
        told = error.args[0] if isinstance(error, LookupError) and error.args else error
        raise PlanFailed(str(told)) from None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a plan is asked for."""

    machine: Machine
    load: Load
    engine: Engine

    @classmethod
    def read(cls, options: argparse.Namespace, catalogue: Catalogue) -> Self:
        machine = catalogue.machine(options.machine) if options.machine else detect(catalogue)
        engine = Engine(options.engine) if options.engine else engine_for(machine)
        return cls(machine, Load(options.context, options.conversations, options.boxes), engine)


def _plan(options: argparse.Namespace, catalogue: Catalogue) -> int:
    asked = _Asked.read(options, catalogue)
    planner = Planner(catalogue)
    if options.model is None:
        return _show_all(options, asked, planner, catalogue)
    model = catalogue.model(options.model)
    plans = planner.plans(asked.machine, model, asked.load, asked.engine)
    if options.precision:
        plans = [plan for plan in plans if plan.checkpoint.precision == options.precision]
        if not plans:
            known = ", ".join(checkpoint.precision for checkpoint in model.checkpoints)
            raise CannotPlan(f"{model.id} has no {options.precision} checkpoint for {asked.engine}: there are {known}")
    return _show_one(options, plans, _instead(asked, planner, model, best(plans)))


def _instead(asked: _Asked, planner: Planner, model: Model, plan: Plan) -> Plan | None:
    if plan.fits:
        return None
    others, _ = planner.survey(asked.machine, asked.load, asked.engine)
    return nearest(plan, [*planner.plans(asked.machine, model, asked.load, asked.engine), *others])


def _show_one(options: argparse.Namespace, plans: list[Plan], instead: Plan | None) -> int:
    chosen = best(plans)
    others = [plan for plan in plans if plan is not chosen]
    _draw(options.plot, [chosen, *others])
    if options.json:
        told = {
            "other_precisions": [plan.as_json() for plan in others],
            "instead": instead.as_json() if instead else None,
        }
        print(json.dumps(chosen.as_json() | told, indent=2))
    elif options.arguments:
        _print_launch(chosen)
    elif options.env:
        _print_environment(chosen)
    else:
        print(table.breakdown(chosen, plans, instead))
    return 0 if chosen.fits else 1


def _show_all(options: argparse.Namespace, asked: _Asked, planner: Planner, catalogue: Catalogue) -> int:
    plans, missing = planner.survey(asked.machine, asked.load, asked.engine)
    if options.precision:
        plans = [plan for plan in plans if plan.checkpoint.precision == options.precision]
    chosen = recommend(plans)
    checks = leave_one_out(catalogue)
    _draw(options.plot, plans[:_DRAWN])
    if options.json:
        told = {
            "recommended": chosen and {"model": chosen.plan.model.id, "why": list(chosen.why)},
            "plans": [plan.as_json() for plan in plans],
            "not_planned": [str(reason) for reason in missing],
            "efficiency": dict(planner.efficiency),
            "misses": [
                {"model": c.model, "measured": c.measurement.tokens_per_second, "predicted": c.predicted}
                for c in checks
                if c.missed
            ],
        }
        print(json.dumps(told, indent=2))
    elif options.arguments and chosen is not None:
        _print_launch(chosen.plan)
    elif options.env and chosen is not None:
        _print_environment(chosen.plan)
    else:
        survey = table.survey(asked.machine, plans, missing, chosen)
        print(survey, table.accuracy(planner.efficiency, checks), sep="\n\n")
    return 0 if chosen is not None else 1


def _print_launch(plan: Plan) -> None:
    # Importing it takes as long as everything else together: it knows the settings.
    from pipeline.budget.launch import launch  # noqa: PLC0415

    made = launch(plan)
    for name, content in made.files.items():
        print(f"# {name}:\n{content}")
    for note in made.notes:
        print(f"# {note}")
    print(shlex.join(made.command))


def _print_environment(plan: Plan) -> None:
    from pipeline.budget.compose import environment  # noqa: PLC0415

    print(environment(plan), end="")


def _draw(file: Path | None, plans: list[Plan]) -> None:
    if file is None:
        return
    from pipeline.budget.picture import svg  # noqa: PLC0415

    if not plans:
        raise CannotPlan("there is no plan to draw")
    try:
        file.write_text(svg(plans), encoding="utf-8")
    except OSError as error:
        raise PlanFailed(f"{file} cannot be written: {error.strerror or error}") from None
