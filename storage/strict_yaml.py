"""Reads YAML strictly and as plain data: a duplicate key is an error, and no tag creates an object."""

from pathlib import Path
from typing import Any

import yaml


class DuplicateKey(ValueError):
    """A key appears twice in one mapping. Plain YAML would silently keep the last value."""


# The same in C where PyYAML has it: ten times faster, and recipes are read at every start of Dagster.
class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                where = key_node.start_mark
                raise DuplicateKey(f"{where.name}, line {where.line + 1}: key {key!r} appears twice: keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What the file holds. Raises OSError, DuplicateKey, and ValueError for what is not YAML."""
    with path.open(encoding="utf-8") as handle:
        try:
            return yaml.load(handle, _Strict)  # a SafeLoader: plain data only
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is not YAML: {error}") from error
