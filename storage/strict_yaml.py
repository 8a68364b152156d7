"""Reads YAML strictly and as plain data: a duplicate key is an error, and no tag creates an object."""

import io
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

DEEPEST = 100  # levels of lists and mappings in one another
MOST_NODES = 1_000_000  # with each alias counted as what it stands for


class DuplicateKey(ValueError):
    """A key appears twice in one mapping. Plain YAML would silently keep the last value."""


# The same in C where PyYAML has it: ten times faster, and recipes are read at every start of Dagster.
class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):  # a list or mapping, which the loader refuses in its own words
                continue
            if key in seen:
                where = key_node.start_mark
                raise DuplicateKey(f"{where.name}, line {where.line + 1}: key {key!r} appears twice: keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What the file holds. Raises OSError, DuplicateKey, and ValueError naming the file for what is not YAML, is nested
    deeper than 100 levels, or stands for more than a million values."""
    try:
        text = io.StringIO(path.read_text(encoding="utf-8"))
        text.name = str(path)  # as errors name it
        _check_size(text)
        text.seek(0)
        return yaml.load(text, _Strict)  # a SafeLoader: plain data only
    except DuplicateKey:
        raise
    # For a value that is not what its tag says (a 99th of a month, `!!bool 5`) the loader raises what it comes upon.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not YAML: {error}") from error


def _check_size(text: io.StringIO) -> None:
    """Raises ValueError for what would end the process while it is loaded, or fill its memory afterwards.

    The C loader builds nested values by recursion, and ends with a segmentation fault; an alias costs nothing in YAML,
    but all that it stands for wherever values are walked through.
    """
    sizes: dict[str, int] = {}  # of anchored nodes, with all in them
    open_nodes: list[list] = [[None, 0]]  # anchor and size so far; the first is the file
    for event in yaml.parse(text, _Strict):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append([event.anchor, 1])
            if len(open_nodes) > DEEPEST + 1:
                raise ValueError(f"line {event.start_mark.line + 1}: nested deeper than {DEEPEST} levels")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(event.anchor, 0)
            if any(event.anchor == above for above, _ in open_nodes):
                raise ValueError(f"line {event.start_mark.line + 1}: *{event.anchor} stands for what it is part of")
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        open_nodes[-1][1] += size
        if open_nodes[-1][1] > MOST_NODES:
            raise ValueError(f"line {event.start_mark.line + 1}: more than {MOST_NODES} values, counting aliases")
