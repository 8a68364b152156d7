"""Imports point downwards and never in a circle; only two rooms know Dagster; what Dagster loads is light."""

import ast
import json
import subprocess
import sys
from collections import defaultdict

from tests.house.imports import STOREY, at_load, circles, edges, imported, sources, tree

HEAVY = {"torch", "torchvision", "transformers", "diffusers", "vllm", "open_clip", "lpips", "datasets", "matplotlib"}

# Circles that are known and about to be opened. Whoever opens one removes its line; a new one fails at once.
OPEN = {
    "assets.support.evaluation, assets.support.run_config",
}


def test_imports_point_downwards():
    rooms = {(name.split(".")[0], other.split(".")[0]): f"{name} imports {other}" for name, other in edges()}
    wrong = [told for (room, other), told in rooms.items() if room != other and STOREY[room] >= STOREY[other]]
    assert not wrong


def test_neither_files_nor_folders_import_each_other_in_a_circle():
    """In each folder: of what lies in it, files and sub-folders alike, nothing leads back to itself."""
    between = defaultdict(set)
    for name, other in edges():
        one, two = name.split("."), other.split(".")
        depth = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), None)
        if depth is not None:  # a package and its own module: no step between two of one folder
            between[tuple(one[:depth])].add((".".join(one[: depth + 1]), ".".join(two[: depth + 1])))
    assert {", ".join(circle) for pairs in between.values() for circle in circles(pairs)} == OPEN


def test_dagster_is_known_to_pipelines_and_assets_alone():
    """`dagster_pipes`, which needs nothing, is what the others speak to Dagster with."""
    wrong = [
        name
        for name, path in sources().items()
        if name.split(".")[0] not in ("pipelines", "assets")
        and any(other.split(".")[0] == "dagster" for other in imported(ast.walk(tree(path))))
    ]
    assert not wrong


def test_nothing_heavy_is_at_the_top_of_what_the_code_location_loads():
    """Found without loading it, so that the message tells the way from `pipelines.definitions` to the import."""
    way, waiting, heavy = {"pipelines.definitions": ""}, ["pipelines.definitions"], []
    while waiting:
        name = waiting.pop()
        told = f"{way[name]} -> {name}"
        for other in sorted(imported(at_load(tree(sources()[name])))):
            heavy += [f"{told} -> {other}"] if other.split(".")[0] in HEAVY else []
            parts = other.split(".")
            for loaded in (".".join(parts[: n + 1]) for n in range(len(parts))):  # its packages are loaded before it
                if loaded in sources() and loaded not in way:
                    way[loaded] = told
                    waiting.append(loaded)
    assert len(way) > 100  # the walk did reach the rooms
    assert not heavy


def test_loading_the_code_location_loads_nothing_heavy(repository):
    code = "import json, sys, pipelines.definitions; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "dagster" in loaded
    assert not loaded & (HEAVY | {"av", "openai", "scipy"})
