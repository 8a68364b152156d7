"""Options as Dagster config: a pydantic model, nested blocks and all, in the form that the Launchpad shows and checks.

The model stays the one place where options, ranges and rules are written. Dagster wants `dg.Config` at every level,
lists for tuples and a selector for a choice of blocks, so each block gets a subclass that differs in just that.
"""

from collections.abc import Callable, Iterable
from copy import copy
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import AfterValidator, BaseModel, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo


@cache
def config_block(model: type[BaseModel]) -> type[dg.Config]:
    """A `dg.Config` that is also a `model`: same fields, ranges and rules, strict at every level.

    A choice of blocks told apart by a field (`objective: {kind: awm, power: 0.5}`) is written as Dagster's selector
    (`objective: {awm: {power: 0.5}}`).
    """
    if issubclass(model, dg.Config):
        return model
    return create_model(model.__name__, __base__=(model, dg.Config), __doc__=model.__doc__, **_fields(model))


def part_of(model: type[BaseModel], name: str, base: type[dg.Config], filled: dict[str, Any]) -> type[dg.Config]:
    """`base` with all fields of `model` but those that the caller fills in later.

    `filled` gives these fields stand-in values, so that the rules of the whole model are checked here already.
    """
    fields = {key: field for key, field in _fields(model, all_fields=True).items() if key not in filled}

    def checked(self):
        whole(model, self, filled)
        return self

    rule = {"_checked": model_validator(mode="after")(checked)}
    return create_model(name, __base__=base, __doc__=base.__doc__, __validators__=rule, **fields)


def whole(model: type[BaseModel], config: dg.Config, filled: dict[str, Any]) -> Any:
    """The `model` that `config` (made by `part_of`) and `filled` give together. Raises ValueError in one line."""
    given = {key: value for key, value in plain(config).items() if key in model.model_fields}
    try:
        return model(**given, **filled)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error


def first_problem(error: ValidationError, *above: str) -> str:
    """The place (below `above`), the value and the rule of the first problem, in one line."""
    problem = error.errors()[0]
    place = ".".join(map(str, (*above, *problem["loc"])))
    # A rule over several options has them all as its input: its message names the one.
    value = "" if isinstance(problem["input"], dict | BaseModel) else f" = {problem['input']!r}"
    said = problem["msg"].removeprefix("Value error, ")
    return f"{place}{value}: {said}" if place else said


def plain(config: BaseModel) -> dict[str, Any]:
    """JSON values of `config`, with the field that tells a choice of blocks apart inside its block."""
    return config.model_dump(mode="json")


def _fields(model: type[BaseModel], all_fields: bool = False) -> dict[str, tuple[Any, FieldInfo]]:
    """The fields that Dagster cannot take as they are, or all of them."""
    found = {}
    for name, field in model.model_fields.items():
        kind = _kind(field.annotation)
        if kind is field.annotation and not all_fields:
            continue
        new = copy(field)
        default = field.default if field.default_factory is None else field.default_factory()
        new.annotation, new.default, new.default_factory = kind, _default(default), None
        if words := _words(field.annotation):
            new.metadata = [*new.metadata, AfterValidator(words)]
        found[name] = (kind, new)
    return found


def _kind(annotation: Any) -> Any:
    """The type that Dagster shows for a field; `annotation` itself where that will do."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return config_block(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return list[_element(inner)]
    if origin in (Union, UnionType):
        kinds = tuple(str if get_origin(kind) is Literal else _kind(kind) for kind in inner)
        return annotation if kinds == inner else Union[kinds]  # noqa: UP007
    if origin is Annotated:
        return _kind(inner[0])
    return annotation


def _element(inner: Iterable[Any]) -> type:
    """Of a tuple: the one type of its items. Which words are allowed there, Dagster does not know: `_words` does."""
    kinds = {str if get_origin(kind) is Literal else kind for kind in inner if kind is not Ellipsis}
    if len(kinds) != 1:
        raise TypeError(f"a tuple of {sorted(map(str, kinds))}: all items must have one type")
    return kinds.pop()


def _words(annotation: Any) -> Callable[[list[Any]], list[Any]] | None:
    """What refuses other words than those of a tuple of such; None for other fields."""
    if get_origin(annotation) is not tuple or get_origin(get_args(annotation)[0]) is not Literal:
        return None
    known = get_args(get_args(annotation)[0])

    def refuse_others(given: list[Any]) -> list[Any]:
        others = [value for value in given if value not in known]
        if others:
            raise ValueError(f"{others[0]!r} is not known: choose from {', '.join(map(str, known))}")
        return given

    return refuse_others


def _default(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, BaseModel):
        block = config_block(type(value))
        return block.model_construct(**{name: _default(item) for name, item in value})
    return value
