"""Assembly, near-duplicate removal, split and publishing at 10^4, 10^5 and 10^6 pairs: time and peak memory.

    python tests/bench/bench_tables.py [--quick] [--repeats N]

Each size runs in a process of its own, so that its peak resident memory is its own. Rows are synthetic, eight pairs a
frame and eight frames a clip, with one frame in twenty a near-duplicate; every frame is a tiny JPEG file of its own.
"""

import argparse
import hashlib
import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SHARDS = 8
WORDS = ["walk", "to", "the", "red", "door", "and", "stop", "beside", "a", "tall", "lamp", "before", "turning", "left"]
STEPS = ("dedup", "assembly", "with pictures", "again", "leak check", "publish")


def make_inputs(folder: Path, pairs: int) -> tuple[list[Path], list[Path]]:
    """Writes shard tables and image files; returns (taxonomy tables, clips tables)."""
    import numpy as np
    import pyarrow as pa
    from PIL import Image

    from curation.schemas import CLIPS, TAXONOMY
    from curation.taxonomy.classify import AGENT_CATEGORIES, TASK_TYPES
    from storage.tables import KEPT, write_batches

    frames = pairs // 8
    rng = np.random.default_rng(0)
    images, digests = [], []
    for number in range(frames):
        tiny = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(tiny, "JPEG", quality=80)
        data = tiny.getvalue()
        images.append(f"images/{number // 1000:03d}/{number:06d}.jpg")
        digests.append(hashlib.sha256(data).hexdigest())
        path = folder / images[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    hashes = rng.integers(0, 2**63, frames, dtype=np.uint64)
    copies = rng.random(frames) < 0.05
    hashes[copies] = hashes[rng.integers(0, frames, copies.sum())] ^ np.uint64(0b1001)
    clips = [f"{number:012d}" for number in range(-(-frames // 8))]
    tables = ([], [])
    for shard in range(SHARDS):
        own = [
            number for number in range(len(clips)) if hashlib.md5(clips[number].encode()).digest()[0] % SHARDS == shard
        ]

        def parts(own=own):
            for clip in own:
                rows = []
                for frame in range(clip * 8, min(clip * 8 + 8, frames)):
                    row = dict.fromkeys(TAXONOMY.names)
                    row |= {"frame_id": f"{clips[clip]}_{frame % 8 * 1000:08d}", "clip_id": clips[clip], "seconds": 1.0}
                    row |= {"image": images[frame], "image_sha256": digests[frame]}
                    row |= {"width": 16, "height": 16, "phash": f"{hashes[frame]:016x}", "agent": "Man in blue"}
                    row |= {"vlm": "none", "prompt_hash": "0", "prompt_tokens": 0, "completion_tokens": 0}
                    row |= {"status": KEPT, "reason": "", "detail": ""}
                    for index in range(8):
                        turn = (frame + index) % len(WORDS)
                        words = " ".join(WORDS[turn:] + WORDS[:turn])
                        kind = {
                            "agent_category": AGENT_CATEGORIES[(frame + index) % 7],
                            "task_type": TASK_TYPES[turn % 9],
                        }
                        text = {"task": f"[Man in blue]: {words[:60]} {frame}.", "solution": f"{words} {words} {words}"}
                        rows.append(row | {"task_index": index} | text | kind)
                yield pa.Table.from_pylist(rows, schema=TAXONOMY)

        empty = dict.fromkeys(CLIPS.names) | {"status": KEPT, "reason": "", "detail": "", "external_start_s": 3.0}
        kept = [empty | {"clip_id": clips[n], "external_id": f"v{n}", "redistributable": True} for n in own]
        for kind, schema, source in (
            ("t", TAXONOMY, parts()),
            ("c", CLIPS, [pa.Table.from_pylist(kept, schema=CLIPS)]),
        ):
            path = folder / f"{kind}{shard}.parquet"
            write_batches(path, source, schema, {})
            tables[kind == "c"].append(path)
    return tables


def measure(folder: Path) -> dict:
    """Seconds of each step and peak resident memory in MB of this process, on inputs made before."""
    import numpy as np

    from curation.assembly.assemble import assemble
    from curation.assembly.index import read_index
    from curation.assembly.leaks import alike, leaks
    from curation.assembly.near_duplicates import near_duplicates
    from curation.assembly.options import WorldtasksOptions
    from curation.assembly.picture_hashes import PictureHashes
    from curation.release.charts import taxonomy_png
    from curation.release.images import image_schema
    from curation.release.options import PublishOptions
    from curation.release.publish import publish_tree

    taxonomy, clips = sorted(folder.glob("t?.parquet")), sorted(folder.glob("c?.parquet"))
    index = read_index(taxonomy)
    seconds, clock = {}, time.perf_counter
    began = clock()
    near_duplicates(index.hashes, np.arange(len(index.hashes)), 4)
    seconds["dedup"] = clock() - began
    del index
    began = clock()
    options = WorldtasksOptions()
    meta = {"options": options.model_dump(mode="json")}
    assemble(taxonomy, clips, [], folder / "worldtasks.parquet", options, meta)
    seconds["assembly"] = clock() - began
    # The tiny pictures are quickly decoded; a real one takes about 2 ms, once.
    hashes = PictureHashes(folder, folder / "hashes.parquet", "1")
    began = clock()
    assemble(taxonomy, clips, [], folder / "worldtasks.parquet", options, meta, hashes)
    seconds["with pictures"] = clock() - began
    began = clock()
    assemble(taxonomy, clips, [], folder / "worldtasks.parquet", options, meta, hashes)
    seconds["again"] = clock() - began
    began = clock()
    found = [*leaks(folder / "worldtasks.parquet", clips), *alike(folder / "worldtasks.parquet", hashes)]
    seconds["leak check"] = clock() - began
    if found:
        raise RuntimeError(f"{len(found)} leaks in a fresh split, e.g. {found[0]}")
    began = clock()
    image_schema()  # loads the Hub's library, seconds that have nothing to do with the size
    taxonomy_png({})
    start_up = clock() - began
    before_publish = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = clock()
    publish_tree(folder / "worldtasks.parquet", folder, folder / "published", {}, PublishOptions())
    seconds["publish"] = clock() - began
    shutil.rmtree(folder / "published")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time()
    return {"seconds": seconds, "start_up": start_up, "cpu": cpu, "peak_mb": peak, "assembly_mb": before_publish}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10^4 and 10^5 pairs only")
    parser.add_argument("--repeats", type=int, default=0, help="runs of each size; by default 3, and 1 for 10^6")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    print(f"Tables: {machine('pyarrow', 'numpy', 'datasets')}\n")
    head = ["pairs", *(f"{step}, us a pair" for step in STEPS), "assembly, s", "publish, s", "imports, s"]
    head += ["CPU in all, s", "peak MB until publish", "peak MB"]
    print(f"| {' | '.join(head)} |")
    print("|---:|" + "---:|" * (len(head) - 1))
    for pairs in (10**4, 10**5) if args.quick else (10**4, 10**5, 10**6):
        with tempfile.TemporaryDirectory() as folder:
            make_inputs(Path(folder), pairs)
            command = [sys.executable, __file__, "--measure", folder]
            repeats = args.repeats or (1 if pairs == 10**6 else 3)
            runs = [
                json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(repeats)
            ]
        median = {step: statistics.median(run["seconds"][step] for run in runs) for step in STEPS}
        cells = [f"{1e6 * median[step] / pairs:.1f}" for step in STEPS]
        cells += [f"{median['assembly']:.1f}", f"{median['publish']:.1f}"]
        cells += [f"{statistics.median(run[name] for run in runs):.1f}" for name in ("start_up", "cpu")]
        cells += [f"{max(run[name] for run in runs):.0f}" for name in ("assembly_mb", "peak_mb")]
        print(f"| {pairs:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
