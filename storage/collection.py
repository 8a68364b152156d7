"""Where everything of one collection lies. A collection is one source run through the chain: its own folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from storage.damage import Damaged
from storage.files import confined
from storage.notes import read_note, write_note

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Store:
    """The folder `root/name` of a collection. All paths handed out lie below it, and each is spelt here alone:

    collection.json                  the number of shards
    tables/STAGE/SHARD.parquet       a stage's rows, and tables/worldtasks.parquet with what assembly found (.json)
    tables/picture_hashes.parquet    by which altered copies of pictures are found: a cache
    frames/SHARD/                    pictures; cuts/SHARD.json: the aesthetic cut
    journal/, locks/, timings/       what is finished, who works, how long it took
    pictures/STAGE/                  what the UI shows of a stage
    published/VERSION/, latest       releases, and a link to the last; report.html: the curation report
    robot_microworld/                episodes of the robot microworld (robots/layouts/microworld.py)
    episode_statistics.json          what states of robots are normalised by; episode_statistics.facts.json: doubts
    episode_latents/MODEL/           encoded episodes (robots/encoded.py)
    training_data.json, conditions/  the release that training reads, and what it encodes of it
    training/NAME/                   a training run (training/run_folder.py)
    evaluation/runs/NAME/            an evaluated run (evaluation/records.py); beside runs/: reports/, benchmarks/
                                     (pictures), jobs/ (what children were told), vbvr_queries/
    """

    root: Path
    name: str
    shards: tuple[str, ...]

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise ValueError(f"collection name {self.name!r}: use up to 64 letters, digits, '.', '_' or '-'")

    @property
    def folder(self) -> Path:
        return confined(self.root, self.name)

    def table(self, stage: str, shard: str) -> Path:
        return self.folder / "tables" / stage / f"{shard}.parquet"

    def tables(self, stage: str) -> list[Path]:
        """The tables of a stage that exist, in shard order."""
        return [path for path in (self.table(stage, shard) for shard in self.shards) if path.exists()]

    @property
    def worldtasks(self) -> Path:
        return self.folder / "tables" / "worldtasks.parquet"

    @property
    def worldtasks_facts(self) -> Path:
        return self.worldtasks.with_suffix(".json")

    @property
    def picture_hashes(self) -> Path:
        return self.folder / "tables" / "picture_hashes.parquet"

    def frames(self, shard: str) -> Path:
        return self.folder / "frames" / shard

    def journal(self, stage: str, shard: str) -> Path:
        return self.folder / "journal" / stage / f"{shard}.sqlite"

    def lock(self, stage: str, shard: str = "all") -> Path:
        return self.folder / "locks" / f"{stage}-{shard}.lock"

    def cut(self, shard: str) -> Path:
        return self.folder / "cuts" / f"{shard}.json"

    def timings(self, stage: str) -> list[Path]:
        """The files that `note_seconds` writes."""
        return sorted((self.folder / "timings").glob(f"{stage}-*.json"))

    def note_seconds(self, stage: str, seconds: float, shard: str = "all") -> None:
        """Records how long the stage took when it last did real work."""
        path = self.folder / "timings" / f"{stage}-{shard}.json"
        write_note(path, {"seconds": round(seconds, 3)})

    def pictures(self, stage: str) -> Path:
        return self.folder / "pictures" / stage

    @property
    def microworld_clips(self) -> Path:
        return self.folder / "microworld_clips"

    @property
    def published(self) -> Path:
        return self.folder / "published"

    @property
    def latest(self) -> Path:
        """A link to the last release's folder."""
        return self.published / "latest"

    @property
    def latest_note(self) -> Path:
        """Which version that is, and what it was made from."""
        return self.published / "latest.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def report_note(self) -> Path:
        """What the report was made from."""
        return self.folder / "report.json"

    @property
    def robot_microworld(self) -> Path:
        return self.folder / "robot_microworld"

    @property
    def episode_statistics(self) -> Path:
        return self.folder / "episode_statistics.json"

    @property
    def episode_statistics_facts(self) -> Path:
        return self.episode_statistics.with_suffix(".facts.json")

    @property
    def episode_latents(self) -> Path:
        return self.folder / "episode_latents"

    @property
    def conditions(self) -> Path:
        return self.folder / "conditions"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def evaluated_runs(self) -> Path:
        return self.evaluation / "runs"

    def evaluated(self, name: str) -> Path:
        """The folder of an evaluated run."""
        return confined(self.evaluated_runs, name)

    def pinned_release(self) -> dict[str, str] | None:
        """{version, tree} of the release that training reads (asset `training_data`); None before it was chosen."""
        path = self.folder / "training_data.json"
        return read_note(path, "materialize training_data") if path.exists() else None

    def pin_release(self, version: str, tree: Path) -> None:
        write_note(self.folder / "training_data.json", {"version": version, "tree": str(tree)})

    def check_shards(self) -> None:
        """Raises ValueError for a collection that was built with another number of shards: its clips are elsewhere.

        Raises Damaged where collection.json cannot be read.
        """
        path = self.folder / "collection.json"
        if not path.exists():
            write_note(path, {"shards": len(self.shards)})
        remedy = 'write {"shards": N} into it, where N is the number of shards (WMSD_SHARDS) it was built with'
        built = read_note(path, remedy).get("shards")
        if type(built) is not int:
            raise Damaged(path, f"shards is {built!r}, a whole number is expected", remedy)
        if built != len(self.shards):
            raise ValueError(
                f"collection {self.name!r} was built with {built} shards, but WMSD_SHARDS asks for "
                f"{len(self.shards)}: set WMSD_SHARDS={built}, or give the collection another name"
            )
