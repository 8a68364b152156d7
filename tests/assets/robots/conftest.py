"""A source in the microworld's layout, small enough to be read in a moment, and the job over it."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.support.partitions import SHARDS
from storage.collection import Store

VIEWS = ("external_1", "external_2", "wrist")


def write_source(folder: Path, count: int = 8, rows: int = 12) -> Path:
    """Episodes e0, e1, ... of random pictures 16 x 24; every fourth is held out."""
    (folder / "episodes").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_episode(folder, number, rows)
    split = ["val" if number % 4 == 3 else "train" for number in range(count)]
    listed = [
        {"episode_id": f"e{number}", "split": split[number], "text": f"push block {number}", "scene": f"s{number}"}
        for number in range(count)
    ]
    (folder / "episodes.json").write_text(json.dumps(listed))
    info = {"layout": "microworld", "format": 1, "fps": 5.0, "views": list(VIEWS)}
    (folder / "info.json").write_text(json.dumps(info))
    return folder


def write_episode(folder: Path, number: int, rows: int = 12, **changed) -> None:
    """`changed`: arrays to write in place of the random ones."""
    rng = np.random.default_rng(number)
    low, high = np.array([0.35, -0.15, 0.02, 0, 0, -0.9, 0]), np.array([0.65, 0.15, 0.15, 0, 0, 0.9, 1])
    arrays = {
        "frames": rng.integers(0, 256, (rows, len(VIEWS), 16, 24, 3), np.uint8),
        "states": low + (high - low) * rng.random((rows, 7)),
    }
    np.savez(folder / "episodes" / f"e{number}.npz", **arrays | changed)


class Rig:
    """The job `encode_episodes` over one source."""

    def __init__(self, root: Path):
        self.root, self.source = root, root / "source"
        self.instance = dg.DagsterInstance.ephemeral()
        self.config: dict[str, dict] = {
            "episodes": {"source": {"layout": "microworld", "path": str(self.source), "robot": "microworld"}}
        }

    @property
    def store(self) -> Store:
        return Store(self.root, "robots", tuple(SHARDS.get_partition_keys()))

    def run(self, *assets: str, fails: bool = False) -> dg.ExecuteInProcessResult:
        """Runs the job, or these assets of it with their checks."""
        from pipelines.definitions import defs

        wanted = assets or ("episodes", "episode_statistics", "episode_latents")
        config = {
            "resources": {"collection": {"config": {"root": str(self.root), "name": "robots"}}},
            "ops": {name: {"config": block} for name, block in self.config.items() if name in wanted},
        }
        result = defs.resolve_job_def("encode_episodes").execute_in_process(
            run_config=config,
            instance=self.instance,
            raise_on_error=not fails,
            asset_selection=[dg.AssetKey(name) for name in wanted],
        )
        assert result.success is not fails
        return result

    def metadata(self, result: dg.ExecuteInProcessResult, asset: str) -> dict:
        """Of the last materialisation of an asset in a run, as plain values."""
        found = [event for event in result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(asset)]
        said = found[-1].step_materialization_data.materialization.metadata
        return {name: value.value for name, value in said.items()}

    def failure(self, result: dg.ExecuteInProcessResult, asset: str) -> str:
        (event,) = [one for one in result.filter_events(lambda e: e.is_step_failure) if one.step_key == asset]
        error = event.step_failure_data.error
        return f"{error.message} {error.cause.message if error.cause else ''}"

    def check(self, result: dg.ExecuteInProcessResult, name: str):
        (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
        return found


@pytest.fixture
def rig(tmp_path) -> Rig:
    made = Rig(tmp_path)
    write_source(made.source)
    return made
