"""What the assets of robot episodes share: their options, the stage `episodes`, where a recipe's episodes lie."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from curation.stage import Stage
from robots.contact_sheet import contact_sheet
from robots.episode_table import EPISODES, recordings
from robots.options import RobotSource
from robots.rules import RULES
from robots.state_statistics import StateStatistics
from storage.collection import Store
from storage.notes import kept_note, write_note
from storage.options import Options
from storage.tables import read_meta, read_rows

# `values`: raised by hand when the same source gives other rows. Reading a large source takes hours, so nothing is read
# again because the code was put in order.
STAGE = Stage(name="episodes", title="Episodes", unit="episodes", schema=EPISODES, decided_by=(), values=1)


class MadeEpisodes(Options):
    """How many episodes of the robot microworld are made, where no source is named."""

    train: int = Field(400, ge=0, le=1_000_000, description="Episodes to train on.")
    val: int = Field(40, ge=0, le=1_000_000, description="Episodes that choose the best checkpoint.")
    test: int = Field(200, ge=0, le=1_000_000, description="Episodes of the last comparison.")
    seed: int = Field(0, ge=0, description="Other seeds give other episodes.")


class EpisodesOptions(Options):
    """Where the episodes come from."""

    source: RobotSource | None = Field(
        None, description="The data set. null: episodes of the robot microworld are made."
    )
    microworld: MadeEpisodes = MadeEpisodes()


class EpisodeStatisticsOptions(Options):
    """What states are normalised by."""

    path: str = Field(
        "",
        description="File of statistics to use, such as Ctrl-World's stat.json: a model that was trained with some "
        "needs them. Empty: the 1 % and 99 % quantiles of the kept train episodes.",
    )
    most_clipped: float = Field(
        0.1, ge=0, le=1, description="Warn where more than this share of a column's values is clipped to [-1, 1]."
    )


def source_of(options: EpisodesOptions, store: Store) -> RobotSource:
    """The source to read. The microworld's episodes are made first, those that are there already stay."""
    if options.source is not None:
        return options.source
    made = options.microworld
    folder = store.robot_microworld / f"seed-{made.seed}"
    note, wanted = folder.with_suffix(".json"), made.model_dump(mode="json")
    if kept_note(note) != wanted:
        from microworld.robot.episodes import make_episodes

        counts = {"train": made.train, "val": made.val, "test": made.test}
        make_episodes(folder, counts, made.seed, workers=os.cpu_count() or 1)
        write_note(note, wanted)
    return RobotSource(layout="microworld", path=str(folder), robot="microworld")


def rules_markdown(tables: Sequence[Path]) -> dg.MetadataValue:
    """How many episodes each rule found something in, warnings too."""
    found: dict[tuple[str, bool], int] = {}
    for row in (row for table in tables for row in read_rows(table, ["findings"])):
        for one in {(finding["rule"], finding["refused"]) for finding in row["findings"]}:
            found[one] = found.get(one, 0) + 1
    order = {rule: place for place, rule in enumerate(RULES)}
    lines = ["| rule | episodes | refused | what it says |", "|---|---:|---|---|"]
    for (rule, refused), count in sorted(found.items(), key=lambda item: (order.get(item[0][0], len(order)), item)):
        lines.append(f"| {rule} | {count} | {'yes' if refused else 'no'} | {RULES.get(rule, '')} |")
    return dg.MetadataValue.md("\n".join(lines) if found else "nothing was found")


def robot_of(tables: Sequence[Path]) -> str:
    """The robot whose episodes the tables hold. Raises Failure unless all were read with the same settings."""
    settings = {path: read_meta(path).get("options") for path in tables}
    first = next(iter(settings.values()))
    for path, other in settings.items():
        if other != first:
            differ = sorted(name for name in first if first[name] != other.get(name))
            raise dg.Failure(
                f"{path.stem} of `episodes` was read with another {', '.join(differ)} than {tables[0].stem}: "
                "materialize all shards of `episodes`",
                allow_retries=False,
            )
    return first["robot"]


def statistics_markdown(found: StateStatistics) -> str:
    """A line for each column."""
    lines = ["| column | 1 % | 99 % | least | most | clipped |", "|---|---:|---:|---:|---:|---:|"]
    own, used = found.own, found.statistics
    for place, name in enumerate(used.columns):
        figures = (used.q01[place], used.q99[place], own.minimum[place], own.maximum[place])
        lines.append(f"| {name} | {' | '.join(f'{one:.5g}' for one in figures)} | {found.clipped[place]:.1%} |")
    return "\n".join(lines)


def findings_markdown(found: StateStatistics) -> str:
    """What the robot's contract says of the states."""
    lines = ["| rule | refused | figures |", "|---|---|---|"]
    lines += [f"| {one.rule} | {'yes' if one.refused else 'no'} | {one.message} |" for one in found.findings]
    return "\n".join(lines) if found.findings else "the states fit the contract"


def split_counts(tables: Sequence[Path]) -> dict[str, Any]:
    """Kept episodes and rows of each split."""
    counts: dict[str, Any] = {}
    for row in (row for table in tables for row in read_rows(table, ["split", "rows", "status"])):
        if row["status"] == "kept":
            for name, more in ((f"{row['split']} episodes", 1), (f"{row['split']} rows", row["rows"])):
                counts[name] = counts.get(name, 0) + more
    return counts


def pictures(tables: Sequence[Path]) -> Mapping[str, bytes]:
    """A few kept episodes of all tables."""
    kept = [recording.episode for recording in recordings(tables)]
    return {"episodes.jpg": contact_sheet(kept)} if kept else {}
