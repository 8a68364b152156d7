"""What decides a run's videos: the record of it, and whether a folder already holds another run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.benchmarks.benchmark import BadBenchmark, Benchmark
from evaluation.generation.options import GenerateOptions
from evaluation.generation.writing import decides
from evaluation.records import CONTROL, CUT, ORIGIN, PART, RunRecord
from storage.options import dotted

# Labels, and where and how fast: what a resumed run may be told otherwise.
LABELS = {"name", "role", "step", "dataset_version", "lora", "notes", "hardware"}
MADE_ON = "made_on"  # in a RunRecord's `extra`: {hardware, batch} of its videos, in the order of their first ones
INCIDENTAL = {"path", "revision", "device", "vae_batch"}  # of the model: its identity names the content


class ChangedRun(ValueError):
    """A folder that holds a run made otherwise; the message lists what differs."""


def run_record(
    options: GenerateOptions,
    benchmark: Benchmark,
    identity: str,
    lora: tuple[str, str],
    cut: dict[str, Any],
    controls: dict[str, Any],
) -> RunRecord:
    """What decides the run's videos. `lora`: its source and the SHA-256 of its weights, both "" without one; `cut`:
    what is cut off first frames; `controls`: what decides the videos of a control run, {} for another.
    """
    by_vlm = options.conditioning == "vlm"
    vlm = options.writer.vlm
    return RunRecord(
        name=options.run_name,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        conditioning=options.conditioning,
        model=options.model.model_dump(mode="json"),
        identity=f"control {controls['kind']}" if controls else identity,
        sampler=options.sampler.model_dump(mode="json", exclude={"eta"} if options.sampler.kind == "ode" else set()),
        seeds=options.seeds,
        samples=len(benchmark.samples[: options.samples]),
        role=options.role,
        lora=lora[0],
        lora_sha256=lora[1],
        step=options.step,
        dataset_version=options.dataset_version,
        vlm=f"{vlm.backend}:{vlm.model or 'microworld'}" if by_vlm else "",
        notes=options.notes,
        hardware=hardware(options.model.device),
        extra={MADE_ON: [], CUT: cut}
        | {name: value for name in ORIGIN if (value := getattr(options, name))}
        | ({PART: True} if is_part(options, benchmark) else {})
        | ({CONTROL: controls} if controls else {})
        | ({"writer": decides(options.writer)} if by_vlm else {}),
    )


def is_part(options: GenerateOptions, benchmark: Benchmark) -> bool:
    """Whether the run is over fewer samples than the runs that it stands beside."""
    return options.part and len(benchmark.samples[: options.samples]) < len(benchmark.samples)


def check_expected(options: GenerateOptions, benchmark: Benchmark) -> None:
    """Raises BadBenchmark where a run over the whole benchmark would have other samples than `expected`."""
    samples = len(benchmark.samples[: options.samples])
    aside = options.step is not None or is_part(options, benchmark)
    if options.expected not in (None, samples) and not aside:
        raise BadBenchmark(
            f"run {options.run_name!r} would have {samples} samples of {benchmark.name} {benchmark.version}, but "
            f"`expected` is {options.expected}. Set `expected: {samples}` if that is the whole benchmark"
        )


def refuse_changes(before: RunRecord, now: RunRecord, folder: Path) -> None:
    """Raises ChangedRun unless both runs make the same videos."""
    old, new = (dotted(_decisive(record)) for record in (before, now))
    changed = [
        f"  {key}: {json.dumps(old.get(key), ensure_ascii=False)} -> {json.dumps(new.get(key), ensure_ascii=False)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if changed:
        raise ChangedRun(
            "\n".join([f"{folder} holds a run that was made differently (made with -> now):", *changed])
            + "\nGo on with the values on the left, or choose another output folder"
        )


def hardware(device: str) -> str:
    """What videos are made on: the GPU, or the CPU's architecture and the threads used."""
    import platform

    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _decisive(record: RunRecord) -> dict[str, Any]:
    values = {key: value for key, value in asdict(record).items() if key not in LABELS}
    values["model"] = {key: value for key, value in record.model.items() if key not in INCIDENTAL}
    values["extra"] = {key: value for key, value in record.extra.items() if key not in (*ORIGIN, MADE_ON, PART, CUT)}
    return json.loads(json.dumps(values))  # a tuple equals the list it became
