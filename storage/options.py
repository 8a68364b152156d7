"""What every block of options is: strict, frozen, and still able to read what older recipes say."""

import warnings
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Options(BaseModel):
    """Unknown names are errors, values do not change after reading.

    A retired option is a field made by `retired`: it is accepted with a warning, changes nothing, and is left out of
    what is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _warn_of_retired(self) -> "Options":
        for name in retired_names(type(self)) & self.model_fields_set:
            if self.__dict__[name] is not None:
                warnings.warn(f"option {name} is retired: {self.retirement(name)}", FutureWarning, stacklevel=2)
        return self

    @classmethod
    def retirement(cls, name: str) -> str:
        """What became of the retired option `name`."""
        return str(cls.model_fields[name].deprecated)


def retired(said: str) -> Any:
    """The field of an option that nothing reads any more; `said` tells what became of it. Its type is `Any`."""
    return Field(None, deprecated=said, exclude=True, description=f"Retired, accepted with a warning: {said}")


def retired_names(model: type[BaseModel]) -> set[str]:
    """The options of `model` that are accepted and ignored."""
    return {name for name, field in model.model_fields.items() if field.deprecated and field.exclude}
