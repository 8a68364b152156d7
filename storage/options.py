"""What every block of options is: strict, frozen, and still able to read what older recipes say."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from storage.strict_yaml import read_yaml

Block = TypeVar("Block", bound=BaseModel)


class Options(BaseModel):
    """Unknown names are errors. Values cannot be changed after reading.

    A retired option is a field made by `retired`: it is accepted with a warning, changes nothing, and is not written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _warn_of_retired(self) -> "Options":
        for name in retired_names(type(self)) & self.model_fields_set:
            if self.__dict__[name] is not None:
                became = type(self).model_fields[name].deprecated
                warnings.warn(f"option {name} is retired: {became}", FutureWarning, stacklevel=2)
        return self

    @classmethod
    def upgraded(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        """This block of a saved recipe in today's form: retired options' values moved to their successors."""
        return dict(saved)


def retired(said: str) -> Any:
    """The field of an option that nothing reads any more; `said` tells what became of it. Its type is `Any`."""
    return Field(None, deprecated=said, exclude=True, description=f"Retired, accepted with a warning: {said}")


def retired_names(model: type[BaseModel]) -> set[str]:
    """The options of `model` that are accepted and ignored."""
    return {name for name, field in model.model_fields.items() if field.deprecated and field.exclude}


def dotted(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """`values` by dotted names: {"distill": {"beta_d": 1}} -> {"distill.beta_d": 1}. An empty mapping is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}.{key}" if above else str(key)
        found |= dotted(value, name) if isinstance(value, Mapping) and value else {name: value}
    return found


class InvalidOptions(ValueError):
    """A file of options is wrong. The message lists every mistake."""


def read_options(path: Path, kind: type[Block], named: str) -> Block:
    """The options in a YAML or JSON file; `named` is what a reader calls them.

    Raises InvalidOptions for unknown or doubled keys, wrong values, no file.
    """
    try:
        return kind.model_validate(read_yaml(path))
    except OSError as error:
        raise InvalidOptions(f"{path}: {error.strerror}: give a file of {named}") from error
    except ValidationError as error:
        head = f"{path}: {error.error_count()} mistakes in the options:"
        raise InvalidOptions("\n".join([head, *(f"  {one}" for one in mistakes(error))])) from error
    except ValueError as error:
        raise InvalidOptions(str(error)) from error


def mistakes(error: ValidationError) -> list[str]:
    """Each mistake in a line: the option by its dotted name, and what is wrong with it."""
    return [f"{'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}" for item in error.errors()]
