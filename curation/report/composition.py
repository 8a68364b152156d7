"""What the dataset is made of: agents, task types and splits, with the paper's shares where the names are the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.report import paper
from curation.report.measures import BINS
from curation.report.scan import batches, counts
from pages.charts import Histogram
from storage.tables import KEPT

MOST_CATEGORIES = 14  # the paper's nine, and room for a recipe's own
LONGEST_WORDS = 120


@dataclass(frozen=True)
class Share:
    """One category: rows, their share of all, and the paper's share (None when it names no such category)."""

    name: str
    rows: int
    share: float
    published: float | None


def shares(found: Mapping[str, int], published: Mapping[str, float]) -> list[Share]:
    """The paper's categories in its order, then others by size; what exceeds MOST_CATEGORIES is one last entry."""
    total = sum(found.values()) or 1
    extra = sorted((name for name in found if name not in published), key=lambda name: (-found[name], name))
    room = max(MOST_CATEGORIES - len(published), 1)
    listed = [
        Share(name or "(none given)", found.get(name, 0), found.get(name, 0) / total, published.get(name))
        for name in [*published, *extra[:room]]
    ]
    rest = sum(found[name] for name in extra[room:])
    if rest:
        listed.append(Share(f"{len(extra) - room} more categories", rest, rest / total, None))
    return listed


@dataclass(frozen=True)
class Cross:
    """Rows by agent category (down) and task type (across); `levels` are 0..5, how dark a cell is drawn."""

    agents: list[str]
    types: list[str]
    cells: list[list[int]]
    levels: list[list[int]]


@dataclass(frozen=True)
class Taxonomy:
    """The kept pairs of the taxonomy stage."""

    agents: list[Share]
    types: list[Share]
    cross: Cross
    rows: int


def taxonomy(paths: Sequence[Path]) -> Taxonomy:
    found = counts(paths, ["status", "agent_category", "task_type"])
    kept = Counter({(agent, kind): count for (status, agent, kind), count in found.items() if status == KEPT})
    agents, types = Counter(), Counter()
    for (agent, kind), count in kept.items():
        agents[agent] += count
        types[kind] += count
    return Taxonomy(
        shares(agents, paper.AGENTS_TRAIN),
        shares(types, paper.TASKS_TRAIN),
        _cross(kept, agents, types),
        sum(kept.values()),
    )


def _cross(kept: Counter, agents: Counter, types: Counter) -> Cross:
    down = sorted(agents, key=lambda name: (-agents[name], name))[:MOST_CATEGORIES]
    across = sorted(types, key=lambda name: (-types[name], name))[:MOST_CATEGORIES]
    cells = [[kept[agent, kind] for kind in across] for agent in down]
    top = max((count for row in cells for count in row), default=0) or 1
    levels = [[min(5, 1 + int(4 * (count / top) ** 0.5)) if count else 0 for count in row] for row in cells]
    return Cross(down, across, cells, levels)


@dataclass(frozen=True)
class Split:
    """One published split: its pairs, its images, and their make-up."""

    name: str
    pairs: int
    images: int
    agents: list[Share]
    types: list[Share]


def splits(paths: Sequence[Path]) -> tuple[list[Split], int]:
    """Train and bench (a split without rows is left out), and how many images are in more than one split: must be 0.

    The paths of one call are the whole dataset; the frames of a file occur in no other file.
    """
    found = counts(paths, ["status", "split", "agent_category", "task_type"])
    images, overlap = Counter(), 0
    for path in paths:
        seen: dict[str, set[str]] = {}
        for table in batches([path], ["frame_id", "split", "status"]):
            kept = table.filter(pc.equal(table["status"], KEPT))
            for name in pc.unique(kept["split"]).to_pylist():
                part = kept.filter(pc.equal(kept["split"], name))
                seen.setdefault(name or "", set()).update(pc.unique(part["frame_id"]).to_pylist())
        images.update({name: len(frames) for name, frames in seen.items()})
        overlap += sum(map(len, seen.values())) - len(set().union(*seen.values()))
    made = []
    for name, agents_published, types_published in (
        ("train", paper.AGENTS_TRAIN, paper.TASKS_TRAIN),
        ("bench", paper.AGENTS_BENCH, paper.TASKS_BENCH),
    ):
        agents, types = Counter(), Counter()
        for (status, split, agent, kind), count in found.items():
            if status == KEPT and split == name:
                agents[agent] += count
                types[kind] += count
        if agents:
            listed = shares(agents, agents_published), shares(types, types_published)
            made.append(Split(name, sum(agents.values()), images[name], *listed))
    return made, overlap


def word_counts(paths: Sequence[Path]) -> dict[str, Histogram]:
    """For "task" and "solution": kept and dropped pairs by their number of words; longer ones stand in the last bin."""
    edges = {"task": np.arange(0, BINS + 1.0), "solution": np.linspace(0, LONGEST_WORDS, BINS + 1)}
    found = {name: [np.zeros(len(edge) - 1, int), np.zeros(len(edge) - 1, int)] for name, edge in edges.items()}
    for table in batches(paths, ["task", "solution", "status"]):
        kept = np.array(table["status"].to_pylist(), object) == KEPT
        for name, edge in edges.items():
            words = np.minimum(_words(table[name]), edge[-1])
            found[name][0] += np.histogram(words[kept], edge)[0]
            found[name][1] += np.histogram(words[~kept], edge)[0]
    return {
        name: Histogram(
            f"Histogram of the words in a {name}, kept and dropped",
            edges[name],
            tuple(zip(("kept", "rejected"), counts, strict=True)),
        )
        for name, counts in found.items()
    }


def _words(texts: pa.ChunkedArray) -> np.ndarray:
    """Words of each text, by white space; 0 for an empty one and for null."""
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(texts, ""))
    words = pc.list_value_length(pc.utf8_split_whitespace(trimmed)).to_numpy()
    return np.where(pc.equal(trimmed, "").to_numpy(), 0, words)


def container_facts(paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """(what, value, clips) of the kept clips: the commonest codecs, pixel formats, sizes and rotations."""
    facts = []
    for what, columns in (
        ("codec", ["codec", "pix_fmt"]),
        ("size", ["width", "height"]),
        ("rotation", ["rotation"]),
    ):
        found = Counter()
        for (status, *values), count in counts(paths, ["status", *columns]).items():
            if status == KEPT:
                found[(" x " if what == "size" else " ").join(map(str, values))] += count
        common = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        facts += [(what, value, count) for value, count in common[:5]]
        rest = sum(count for _, count in common[5:])
        if rest:
            facts.append((what, f"{len(common) - 5} others", rest))
    return facts


def bound_clips(paths: Sequence[Path]) -> int:
    """Kept clips whose pixels may not be redistributed."""
    return sum(
        count
        for (status, free), count in counts(paths, ["status", "redistributable"]).items()
        if status == KEPT and free is False
    )


def snap_offsets(paths: Sequence[Path]) -> dict[str, tuple[int, float, float, float]]:
    """By mode: (frames, median, 95th percentile, largest) distance in seconds of delivered from requested time."""
    parts: dict[str, list[np.ndarray]] = {}
    for table in batches(paths, ["mode", "seconds", "requested_s", "status"]):
        table = table.filter(pc.equal(table["status"], KEPT))
        offset = np.abs(table["seconds"].to_numpy() - table["requested_s"].to_numpy())
        modes = np.array(table["mode"].to_pylist(), object)
        for mode in sorted({mode or "" for mode in modes}):
            parts.setdefault(mode, []).append(offset[(modes == mode) & ~np.isnan(offset)])
    joined = {mode: np.concatenate(part) for mode, part in sorted(parts.items())}
    return {
        mode: (len(offset), *(float(f"{value:.6g}") for value in np.quantile(offset, [0.5, 0.95, 1.0])))
        for mode, offset in joined.items()
        if len(offset)
    }
