"""DreamGen's inputs and outputs for other tools: videos under the benchmark's names, batch_input.json."""

from collections.abc import Iterable
from pathlib import Path

from evaluation.benchmarks.dreamgen.released import MOST_NAME, video_name
from evaluation.benchmarks.foreign import write_json
from evaluation.benchmarks.named_videos import Exported, Run, export
from evaluation.records import Sample

BATCH_INPUT = "batch_input.json"
# The benchmark's scripts take a name apart by other rules when the path holds one of these.
COSMOS = "cosmos"  # the GPT-4o script reads no prompt unless a path holds this or "wan"
MISREAD = ("cogvideo", "hunyuan")


def export_videos(run: Run, out: Path) -> list[Exported]:
    """Every video that `run` has as `out/{folder}/{i}_{Instruction}.mp4`, and `out/manifest.jsonl`.

    Raises as `export`.
    """
    return export(run, out, video_name)


def warnings(out: Path, exported: Iterable[Exported]) -> list[str]:
    """Why the benchmark's own scripts would misread the prompts of an export, [] when they would not."""
    exported = list(exported)
    place = str(out.absolute()).lower()
    found = [
        f"the folder's path contains {word!r}, so the benchmark's scripts would read prompts elsewhere: "
        f"export to another folder"
        for word in MISREAD
        if word in place or any(word in one.path.lower() for one in exported)
    ]
    cut = [one.sample_id for one in exported if len(Path(one.path).name.encode()) >= MOST_NAME - 3]
    if cut:
        found.append(
            f"file names of {', '.join(cut)} were too long and are cut: the scripts see only part of the prompt"
        )
    return found


def write_batch_input(benchmark: Path, samples: Iterable[Sample], videos: Path, path: Path) -> int:
    """Writes the list {input_video, prompt, output_video} that image-to-video tools of the Cosmos family take.

    input_video lies below `benchmark`, output_video below `videos` with the benchmark's names. Returns how many.
    """
    items = [
        {
            "input_video": str(benchmark / sample.image),
            "prompt": sample.task,
            "output_video": str(videos / video_name(sample)),
        }
        for sample in samples
    ]
    write_json(path, items)
    return len(items)
