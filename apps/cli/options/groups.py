"""Groups of options: dataclasses that a command takes as parameters.

Options that belong together are the fields of a dataclass. :func:`grouped` builds the signature
that Typer reads, with the fields in place of the group::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class TrainingOptions:
        passes: Annotated[int | None, typer.Option(min=1, help="Passes over the data set.")] = None
        batch: Annotated[int, typer.Option(min=1, help="Recordings learned side by side.")] = 50

    NETWORK = NetworkOptions(model="edge")  # other defaults than the group's own
    TRAINING = TrainingOptions()

    @grouped
    def train(
        dataset: DatasetPath,
        network: NetworkOptions = NETWORK,
        training: TrainingOptions = TRAINING,
        as_json: Json = False,
    ) -> None:
        \"""Train a network on labelled recordings.\"""
        typed = given(network)  # {"model": "gestures"}, for messages to the user

``spikewire train DATASET --model gestures --passes 3`` calls ``train`` with ``network.model ==
"gestures"`` and ``training.passes == 3``. ``--help`` lists options in the order of the parameters.
A group that several commands use stands in `spikewire.apps.cli.options.shared`, any other one in
its command's module.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import typer
from typer.models import OptionInfo

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TYPED: ContextVar[frozenset[str]] = ContextVar("typed", default=frozenset())


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes groups of options the signature with one parameter per option.

    Parameters
    ----------
    command
        A function whose annotations are readable at run time. A parameter that is annotated with a
        dataclass is a group; its default value, if there is one, gives the defaults of its options.

    Raises
    ------
    TypeError
        Two options have one name.
    """
    hints = get_type_hints(command, include_extras=True)
    flat: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[DataclassInstance], list[str]]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            options = _options_of(hint, parameter.default)
            groups[name] = hint, [option.name for option in options]
            flat += options
        else:
            flat.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in flat]
    if len(set(names)) < len(names):
        raise TypeError(f"{command.__name__} has two options of one name: {sorted(names)}")

    context = inspect.Parameter(
        "_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
    )

    @functools.wraps(command)
    def call(*, _context: typer.Context, **options: Any) -> None:
        _TYPED.set(_typed(_context))
        arguments: dict[str, Any] = {
            name: kind(**{field: options.pop(field) for field in fields})
            for name, (kind, fields) in groups.items()
        }
        command(**options, **arguments)

    # Typer reads these two.
    call.__signature__ = inspect.Signature([context, *flat])  # type: ignore[attr-defined]
    call.__annotations__ = {
        **{one.name: one.annotation for one in (context, *flat)},
        "return": None,
    }
    return call


def given(options: DataclassInstance) -> dict[str, object]:
    """Return the options of a group that the user has given, by their names without dashes."""
    hints = get_type_hints(type(options), include_extras=True)
    return {
        _option_name(field.name, hints[field.name]): getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.name in _TYPED.get()
    }


def _typed(context: typer.Context) -> frozenset[str]:
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(
        name
        for name, source in sources.items()
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    )


def _options_of(group: type[DataclassInstance], default: object) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    options = []
    for field in dataclasses.fields(group):
        value = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
        if default is not inspect.Parameter.empty:
            value = getattr(default, field.name)
        options.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=value,
                annotation=hints[field.name],
            )
        )  # fmt: skip
    return options


def _option_name(field: str, hint: Any) -> str:
    for extra in get_args(hint)[1:]:
        if isinstance(extra, OptionInfo):
            spelled = [extra.default, *(extra.param_decls or ())]
            for name in spelled:
                if isinstance(name, str) and name.startswith("--"):
                    return name.removeprefix("--").partition("/")[0]
    return field.replace("_", "-")
