"""The steps of DreamGen Bench, as an asset or a command calls them."""

import sys
from dataclasses import dataclass
from pathlib import Path

from evaluation.benchmarks.dreamgen import asking, outputs
from evaluation.benchmarks.dreamgen.comparing import Paired, paired
from evaluation.benchmarks.dreamgen.official import matched as matched_predictions
from evaluation.benchmarks.dreamgen.official import read_predictions
from evaluation.benchmarks.dreamgen.options import OFFICIAL, QUESTIONS, DreamgenOptions
from evaluation.benchmarks.dreamgen.released import read_benchmark
from evaluation.benchmarks.dreamgen.table import Table, answers_of, table, write_predictions, write_table
from evaluation.benchmarks.named_videos import Exported, Run, read_other, read_run
from evaluation.benchmarks.videophy import captions, matched, read_output, write_input
from evaluation.records import MANIFEST, Judgement, read_lines
from models.vlm.protocol import VLM

VIDEOPHY_INPUT = "videophy_input.csv"


@dataclass(frozen=True)
class ExportReport:
    """What an export holds, which samples have no video (each with the reason), and what a reader has to know."""

    videos: list[Exported]
    missing: list[str]
    warnings: list[str]


def export_step(options: DreamgenOptions) -> ExportReport:
    """Videos under the benchmark's names with a manifest, VideoPhy's input CSV, and batch_input.json where asked
    for.
    """
    run, place = read_run(options.run, options.seed), options.place
    exported = outputs.export_videos(run, place / "videos")
    if options.gpt4o:
        outputs.export_videos(run, place / outputs.COSMOS)
    write_input(place / VIDEOPHY_INPUT, captions(exported, place / "videos"))
    if options.benchmark is not None:
        _, samples = read_benchmark(options.benchmark, options.groups)
        outputs.write_batch_input(options.benchmark, samples, place / "videos", place / outputs.BATCH_INPUT)
    return ExportReport(exported, run.missing, outputs.warnings(place / "videos", exported))


def score_step(options: DreamgenOptions, vlm: VLM | None = None) -> list[Judgement]:
    """Asks the judge about every video; a finished one is asked nothing.

    Judgements go to the run's folder.
    """
    return asking.judge(read_run(options.run, options.seed), options.judge, vlm=vlm)


def table_step(options: DreamgenOptions) -> Table:
    """The CSV of each question that was judged, table.json and table.md; `others` are compared with the run in pairs.

    Raises Incomplete as `table` and `paired` do.
    """
    run, place = read_run(options.run, options.seed), options.place
    judgements = list(read_lines(options.run / asking.JUDGEMENTS, Judgement))
    made = table(
        run,
        judgements,
        options.groups,
        _physics(run, options),
        allow_partial=options.allow_partial,
        official=_official(run, options),
        compared=[pair for folder in options.others for pair in _compared(options, run, judgements, folder)],
    )
    for question in sorted({one.question for one in judgements} & set(QUESTIONS)):
        write_predictions(place / f"{question}.csv", run, judgements, question, place / "videos")
    write_table(made, place)
    return made


def run_step(options: DreamgenOptions) -> None:
    """Runs `options.step` and says on standard error what came of it; a table goes to standard output."""
    match options.step:
        case "export":
            report = export_step(options)
            print(f"{len(report.videos)} videos in {options.place / 'videos'}", file=sys.stderr)
            for line in [*(f"missing: {one}" for one in report.missing), *report.warnings]:
                print(line, file=sys.stderr)
        case "score":
            made = score_step(options)
            print(f"{len(made)} judgements, {sum(bool(one.failure) for one in made)} failed", file=sys.stderr)
        case "table":
            print(table_step(options).to_markdown())


def _compared(options: DreamgenOptions, first: Run, judgements: list[Judgement], folder: Path) -> list[Paired]:
    run = read_other(folder, options.seed, first)
    members = [sample_id for sample_id, sample in first.samples.items() if sample.group in options.groups]
    ours = answers_of(run, read_lines(folder / asking.JUDGEMENTS, Judgement))
    return paired(run.record.name, first.record.name, QUESTIONS, members, ours, answers_of(first, judgements))


def _official(run: Run, options: DreamgenOptions) -> dict[str, dict[str, bool]]:
    if not options.official:
        return {}
    exported = _exported(run, options)
    return {
        OFFICIAL[asked]: matched_predictions(path, read_predictions(path), exported)
        for asked, path in options.official.items()
    }


def _physics(run: Run, options: DreamgenOptions):
    if options.videophy is None:
        return None
    return matched(read_output(options.videophy, options.videophy_version), _exported(run, options))


def _exported(run: Run, options: DreamgenOptions) -> list[Exported]:
    """The export that other tools scored. Raises FileNotFoundError without one, ValueError where videos changed."""
    manifest: Path = options.place / "videos" / MANIFEST
    exported = list(read_lines(manifest, Exported))
    if not exported:
        raise FileNotFoundError(f"{manifest} does not exist, but other tools score the export: run the step export")
    now = {one.sample_id: one.sha256 for one in run.videos.values()}
    changed = [one.sample_id for one in exported if now.get(one.sample_id) != one.sha256]
    if changed:
        raise ValueError(
            f"{manifest}: videos of {', '.join(changed[:5])} have changed since the export: run the step export again"
        )
    return exported
