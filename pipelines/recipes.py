"""Recipes: run configs in YAML, read strictly."""

import os
from pathlib import Path

import yaml

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


class DuplicateKey(ValueError):
    """A key that stands twice in one mapping: YAML would silently keep the last."""


class _Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                where = key_node.start_mark
                raise DuplicateKey(f"{where.name}, line {where.line + 1}: key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_recipe(path: Path) -> dict:
    """The run config in `path`. Raises ValueError for a missing file, wrong YAML, or a key that stands twice."""
    if not path.is_file():
        known = ", ".join(sorted(f"recipes/{item.name}" for item in RECIPES.glob("*.yaml")))
        raise ValueError(f"recipe {str(path)!r} is not a file; there are {known}")
    with path.open(encoding="utf-8") as handle:
        try:
            config = yaml.load(handle, _Strict)  # a SafeLoader: plain data only
        except yaml.YAMLError as error:
            raise ValueError(f"recipe {str(path)!r} is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"recipe {str(path)!r} holds no mapping: a run config is expected")
    return config


def scheduled_recipe() -> dict:
    """The recipe that schedules and sensors run: WMSD_RECIPE, else the microworld."""
    return load_recipe(Path(os.environ.get("WMSD_RECIPE", RECIPES / "microworld.yaml")))
