"""What the house costs: loading the code location, and a run that finds nothing to do.

    python tests/bench/bench_house.py [--quick]

Load: `dagster definitions validate` against `python -c "import dagster"` (wanted: at most 1.6 x and 1 s more).
Overhead: materialising a finished shard again against an empty Dagster run (wanted: under 2 s more).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

EMPTY = """
import dagster as dg
@dg.asset
def nothing():
    return dg.MaterializeResult()
jobs = [dg.define_asset_job("empty", selection="nothing")]
defs = dg.Definitions(assets=[nothing], jobs=jobs, executor=dg.in_process_executor)
"""


def seconds(command: list[str], **options) -> float:
    """Wall seconds of a command that must succeed."""
    began = time.monotonic()
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{finished.stderr[-2000:]}")
    return time.monotonic() - began


def medians(commands: dict[str, list[str]], repeats: int) -> dict[str, float]:
    """Median seconds of each command; the rounds are interleaved, so that a slow moment meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            times[name].append(seconds(command))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    repeats = 3 if parser.parse_args().quick else 7
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        recipe = Path(folder) / "recipe.yaml"
        collection = {"config": {"root": folder, "name": "bench"}}
        source = {"config": {"source": {"microworld": {"clips": 60, "seed": 7}}}}
        config = {"resources": {"collection": collection}, "ops": {"clips": source}}
        recipe.write_text(json.dumps(config))
        dagster, tags = str(BIN / "dagster"), json.dumps({"dagster/partition": "shard-0000"})
        job = [dagster, "job", "execute", "-m", "pipelines.definitions", "-j", "build_worldtasks"]
        finished = [*job, "-c", str(recipe), "--tags", tags]
        seconds(finished)
        times = medians(
            {
                "import": [sys.executable, "-c", "import dagster"],
                "validate empty": [dagster, "definitions", "validate", "-f", str(empty)],
                "validate": [dagster, "definitions", "validate"],
                "empty": [dagster, "job", "execute", "-f", str(empty), "-j", "empty"],
                "finished": finished,
            },
            repeats,
        )
    print(f"## House\n\n{machine('dagster')}; medians of {repeats}\n")
    limit = 1.6 * times["import"] + 1
    print("| what | median s | wanted |\n|---|---:|---|")
    print(f'| `python -c "import dagster"` | {times["import"]:.2f} | |')
    print(f"| `dagster definitions validate` | {times['validate']:.2f} | at most {limit:.2f} |")
    print(f"| the same for a location with one empty asset | {times['validate empty']:.2f} | |")
    print(f"| an empty Dagster run | {times['empty']:.2f} | |")
    print(f"| a finished shard again, whole chain | {times['finished']:.2f} | at most {times['empty'] + 2:.2f} |\n")


if __name__ == "__main__":
    main()
