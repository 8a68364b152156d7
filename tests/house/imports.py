"""Who imports whom, read from the source without importing anything."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The rooms by storey. A room may import the rooms of the storeys below; rooms of one storey do not import each other.
STOREYS = (
    ("pipelines",),
    ("assets",),
    ("curation", "training"),
    ("evaluation",),
    ("microworld",),
    ("models",),
    ("robots",),
    ("media", "stats", "pages"),
    ("storage",),
)
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}


@cache
def sources() -> dict[str, Path]:
    """Module name -> its file, for all rooms; a package has the name of its folder."""
    found = {}
    for room in STOREY:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def at_load(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes that run when their module is loaded: not those inside functions or under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_load(child)


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that the import statements among `nodes` ask for: modules of the rooms exactly, others as written."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in sources() else node.module)
    return names


@cache
def edges() -> tuple[tuple[str, str], ...]:
    """(importing, imported) for all imports between modules of the rooms, also those inside functions."""
    return tuple(
        (name, other)
        for name, path in sources().items()
        for other in sorted(imported(ast.walk(tree(path))) & sources().keys() - {name})
    )


def circles(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The strongly connected components of more than one name, each sorted."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = sorted(set(pairs))
    names = sorted({name for pair in pairs for name in pair})
    number = {name: index for index, name in enumerate(names)}
    rows, columns = ([number[pair[side]] for pair in pairs] for side in (0, 1))
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    count, labels = connected_components(graph, connection="strong")
    groups = [[name for name, label in zip(names, labels, strict=True) if label == one] for one in range(count)]
    return [group for group in groups if len(group) > 1]
