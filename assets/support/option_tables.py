"""Options as Markdown tables, read from the pydantic models that check them: what docs/options.md is made of.

A block that several others hold (`model`, `vlm`) has one table, where it first stands; later ones link to it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

# A unit stands in the name of an option; these names are words that have one.
ENDINGS = {"_s": "s", "_px": "px", "_mb": "MB", "_gb": "GB", "_share": "share of 1", "_words": "words"}
UNITS = {"fps": "frames/s", "height": "px", "width": "px", "minutes": "min", "seconds": "s", "max_tokens": "tokens"}
HEAD = ["| option | type | default | range | unit | meaning |", "|---|---|---|---|---|---|"]
SIGNS = {annotated_types.Ge: ">=", annotated_types.Gt: ">", annotated_types.Le: "<=", annotated_types.Lt: "<"}


class OptionTables:
    """Writes one table after another and remembers which blocks have one."""

    def __init__(self) -> None:
        self._places: dict[type[BaseModel], str] = {}

    def table(self, title: str, model: type[BaseModel], said: str = "", level: int = 2) -> Iterator[str]:
        """Lines: a heading, `said` or the model's own sentence, its options, then its blocks that have no table yet."""
        place = self._places.setdefault(_own(model), title)
        yield from ("#" * level + f" {title}", "")
        if said := said or _sentence(model):
            yield from (said, "")
        if place != title:
            yield from (f"The options of [{place}](#{anchor(place)}).", "")
            return
        fields = {name: field for name, field in model.model_fields.items() if name != _kind_of(model)}
        waiting: dict[str, type[BaseModel]] = {}
        rows = [self._row(title, name, field, _declared(model, name), waiting) for name, field in fields.items()]
        yield from ([*HEAD, *rows, ""] if rows else ["No options: write `{}`.", ""])
        for place, block in waiting.items():
            yield from self.table(place, block, level=level + 1)

    def _row(self, title: str, name: str, field: FieldInfo, declared: Any, waiting: dict) -> str:
        blocks = _blocks(field.annotation)
        for block in blocks:
            if _own(block) not in self._places:
                place = f"{title}.{name}.{_kind(block)}" if len(blocks) > 1 else f"{title}.{name}"
                self._places[_own(block)] = place
                waiting[place] = block
        links = [
            f"[{_kind(block) if len(blocks) > 1 else 'block'}](#{anchor(self._places[_own(block)])})"
            for block in blocks
        ]
        shown = _wrapped(field.annotation, " or ".join(links)) if blocks else _type(declared)
        said = field.description or (_sentence(blocks[0]) if len(blocks) == 1 else "")
        cells = [f"`{name}`", shown, _default(field), _range(field), _unit(name), said]
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def anchor(title: str) -> str:
    """What GitHub makes of a heading's text in a link to it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _own(model: type[BaseModel]) -> type[BaseModel]:
    """The class that an option block was written as: Dagster's copies of it add no field (see config_blocks)."""
    above = model.__bases__[0]
    same = (
        issubclass(above, BaseModel) and above.model_fields and above.model_fields.keys() == model.model_fields.keys()
    )
    return _own(above) if same else model


def _declared(model: type[BaseModel], name: str) -> Any:
    """The annotation as it was written: Dagster's copy knows no words inside of lists."""
    classes = [one for one in model.__mro__ if issubclass(one, BaseModel) and name in one.model_fields]
    return classes[-1].model_fields[name].annotation


def _sentence(model: type[BaseModel]) -> str:
    """The first paragraph of a block's own docstring."""
    said = model.__dict__.get("__doc__") or ""
    return "" if said == dg.Config.__doc__ else first_paragraph(said)


def first_paragraph(text: str) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())


def _kind_of(model: type[BaseModel]) -> str | None:
    """The field that tells one of a choice of blocks apart; in a recipe its one word is the block's key."""
    kind = model.model_fields.get("kind")
    return "kind" if kind is not None and len(get_args(kind.annotation)) == 1 else None


def _kind(model: type[BaseModel]) -> str:
    return get_args(model.model_fields["kind"].annotation)[0] if _kind_of(model) else model.__name__


def _blocks(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [block for inner in get_args(annotation) for block in _blocks(inner)]


def _wrapped(annotation: Any, text: str) -> str:
    """`text` in the lists and choices that are around it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _wrapped(inner[0], text)
    if origin in (list, tuple):
        return f"list of {text}"
    return f"{text} or null" if type(None) in inner else text


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if origin is None:
        return annotation.__name__
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in inner)
    if origin is Annotated:
        return _type(inner[0])
    if origin is tuple and Ellipsis not in inner:
        return f"{len(inner)} x {_type(inner[0])}"
    if origin in (list, tuple):
        return f"list of {_type(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if origin in (Union, UnionType):
        return " or ".join(map(_type, inner))
    raise TypeError(f"docs/options.md cannot describe the type {annotation}: add it to assets/support/option_tables.py")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, BaseModel):
        usual = {name: one.get_default(call_default_factory=True) for name, one in type(value).model_fields.items()}
        other = [f"`{name}: {_written(item)}`" for name, item in value if item != usual[name]]
        return ", ".join(([f"`{_kind(type(value))}`"] if _kind_of(type(value)) else []) + other)
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    """A value as a recipe writes it; numbers by their shortest form."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _range(field: FieldInfo) -> str:
    found = [
        f"{SIGNS[type(rule)]} {getattr(rule, type(rule).__name__.lower()):g}"
        for rule in field.metadata
        if type(rule) in SIGNS
    ]
    for rule in field.metadata:
        if isinstance(rule, annotated_types.MinLen):
            found.append("not empty" if rule.min_length == 1 else f"at least {rule.min_length} long")
        if isinstance(rule, annotated_types.MaxLen):
            found.append(f"at most {rule.max_length} long")
        if pattern := getattr(rule, "pattern", None):
            found.append(f"`{pattern}`")
    return ", ".join(found)


def _unit(name: str) -> str:
    return UNITS.get(name) or next((unit for ending, unit in ENDINGS.items() if name.endswith(ending)), "")
