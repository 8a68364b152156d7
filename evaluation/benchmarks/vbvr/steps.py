"""The steps of VBVR-Bench, as an asset or a command calls them."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.benchmarks.foreign import read_json, write_json
from evaluation.benchmarks.named_videos import Exported, Run, export, listed, read_run
from evaluation.benchmarks.vbvr import defects, evaluator, released, results, rewriting
from evaluation.benchmarks.vbvr.options import VbvrOptions
from evaluation.benchmarks.vbvr.results import SampleScore
from evaluation.benchmarks.vbvr.table import Row, Table, difference, row, shared, variant_of, write_table
from evaluation.records import MANIFEST
from evaluation.scoring.judged_run import Incomplete
from microworld.vlm import build_vlm
from models.vlm.protocol import VLM
from storage.files import confined, exclusive, sha256_file

EVALUATION, LOG, LOCK = "evaluation.json", "evaluator.log", ".vbvr.lock"


@dataclass(frozen=True)
class Scored:
    """What evaluation.json holds: which scoring was run on which videos, and where its results lie."""

    scoring: str
    videos: str  # SHA-256 of the export's manifest
    commands: tuple[tuple[str, ...], ...]
    results: tuple[str, ...]  # below the file's folder


def unpack_step(options: VbvrOptions) -> int:
    """First frames and prompts of VBVR-Bench.json, as the folders that generation reads. Returns the entries."""
    return released.unpack(options.listing or options.benchmark / released.LISTING, options.benchmark)


def rewrite_step(options: VbvrOptions, vlm: VLM | None = None) -> list[rewriting.Rewrite]:
    """Shortens the queries, to out/rewrites.jsonl.

    Raises Incomplete when some could not be, and are not to stay long (`keep_failed`): the others are kept.
    """
    _, samples = released.read_benchmark(options.benchmark)
    client = vlm or build_vlm(options.vlm.model_copy(update={"concurrency": options.concurrency}))
    made = rewriting.rewrite(
        options.benchmark,
        samples,
        client,
        options.out,
        options.concurrency,
        ask_failed_again=options.ask_failed_again,
        keep_failed=options.keep_failed,
    )
    failed = rewriting.unusable(made)
    if failed:
        raise Incomplete(
            f"{len(failed)} of {len(made)} queries could not be shortened: {listed(failed)}. Run again to ask those "
            "without an answer. Set ask_failed_again: true to ask all of them, or keep_failed: true to keep the "
            "original query where the VLM could not shorten it"
        )
    return made


def export_step(options: VbvrOptions) -> tuple[Run, Path, list[Exported]]:
    """(run, the model's folder, videos): `{model}/{split}/{task}/{00000}.mp4`, and a manifest in the model's folder."""
    run = read_run(options.run, options.seed)
    folder = options.place() / "videos" / model_name(run.record.name)
    return run, folder, export(run, folder, released.video_name)


def score_step(options: VbvrOptions) -> Scored:
    """Exports, and has the official evaluator score the videos; writes evaluation.json and evaluator.log.

    Raises Incomplete, naming them, when samples have no video and `allow_partial` is not set; NoEvaluator; and
    EvaluatorFailed. Nothing is scored again that was scored as these options say.
    """
    place = options.place()
    with exclusive(place / LOCK):
        return _score(options, place)


def table_step(options: VbvrOptions) -> Table:
    """Table of `run` and of `others`, each compared with `run`; writes table.json and table.md into the run's folder.

    Raises Incomplete when a run is not scored or samples have no score (`allow_partial`: runs are then compared over
    the samples that both have), ValueError when the runs were scored differently, the exported videos are no longer the
    scored ones, or the evaluator failed on samples (`accept_errors`).
    """
    rows, first = [], None
    for folder in (options.run, *options.others):
        made, scores = _row(options, folder)
        if first is not None:
            if made.scoring != rows[0].scoring:
                raise ValueError(
                    f"{made.run} was scored {made.scoring}, {rows[0].run} {rows[0].scoring}: they are not comparable"
                )
            made = _compared(made, scores, first, options.allow_partial)
        first = scores if first is None else first
        rows.append(made)
    table = Table(rows=tuple(rows))
    write_table(table, options.place())
    return table


def run_step(options: VbvrOptions) -> None:
    """Runs `options.step` and says on standard error what came of it; a table goes to standard output."""
    match options.step:
        case "unpack":
            print(f"{unpack_step(options)} entries in {options.benchmark}", file=sys.stderr)
        case "rewrite":
            made = rewrite_step(options)
            print(f"{len(made)} queries in {options.out / rewriting.REWRITES}", file=sys.stderr)
            for one in made:
                if one.failure:
                    print(f"not shortened: {one.sample_id}: {one.failure}", file=sys.stderr)
        case "export":
            run, folder, exported = export_step(options)
            print(f"{len(exported)} videos in {folder}", file=sys.stderr)
            for line in run.missing:
                print(f"missing: {line}", file=sys.stderr)
        case "score":
            score_step(options)
        case "table":
            print(table_step(options).to_markdown())


def model_name(name: str) -> str:
    """A run's name as the folder of a model, which the evaluator makes file names of."""
    plain = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII).strip(".")
    # Such folders are taken for checkpoints of one model.
    return f"run-{plain}" if not plain or plain.startswith("checkpoint-") else plain


def _score(options: VbvrOptions, place: Path) -> Scored:
    run, folder, exported = export_step(options)
    complaints = _complaints(run, options)
    if complaints and not options.allow_partial:
        raise Incomplete(f"{run.record.name}: {listed(complaints)}. Set allow_partial: true to score what there is")
    if not exported:
        raise Incomplete(f"{run.record.name} has no video")
    splits = sorted({one.path.split("/")[0] for one in exported})
    calls = evaluator.calls(options.evaluator, folder, options.benchmark, place / "results", splits)
    scored = Scored(
        options.evaluator.scoring,
        sha256_file(folder / MANIFEST),
        tuple(call.arguments for call in calls),
        tuple(call.results.relative_to(place.resolve()).as_posix() for call in calls),
    )
    if _scored(place) == scored and all((place / name).is_file() for name in scored.results):
        print("these videos are already scored this way", file=sys.stderr)
        return scored
    (place / EVALUATION).unlink(missing_ok=True)

    def whole(call: evaluator.Call) -> None:
        results.read_results([call.results], options.evaluator.scoring)

    for call in calls:
        print(f"running {call.arguments[0]}, output in {place / LOG}", file=sys.stderr, flush=True)
        evaluator.run_call(call, place / LOG, options.evaluator.timeout_s, whole)
    write_json(place / EVALUATION, {**scored.__dict__})
    return scored


def _complaints(run: Run, options: VbvrOptions) -> list[str]:
    """Why the videos of `run` are not those of all samples of the benchmark."""
    _, samples = released.read_benchmark(options.benchmark)
    strangers = run.samples.keys() - {sample.sample_id for sample in samples}
    if strangers:
        raise ValueError(f"{run.folder} has samples that the benchmark lacks: {listed(sorted(strangers))}")
    gone = sorted({sample.sample_id for sample in samples} - run.samples.keys())
    found = [*released.count_complaints(samples), *(f"{one}: not in the run" for one in gone), *run.missing]
    return found


def _row(options: VbvrOptions, folder: Path):
    run = read_run(folder, options.seed)
    place = options.place(folder)
    scored = _scored(place)
    if scored is None:
        raise Incomplete(f"the videos in {folder} are not scored: run the step score")
    manifest = place / "videos" / model_name(run.record.name) / MANIFEST
    if not manifest.is_file() or sha256_file(manifest) != scored.videos:
        raise ValueError(f"{manifest}: the videos have changed since they were scored: run the step score again")
    scores = results.read_results([confined(place, name) for name in scored.results], scored.scoring)
    notes = [f"scored by the official evaluator, {scored.scoring}"]
    stayed = rewriting.stayed_long(run.record.benchmark_version)
    notes += [f"{stayed} queries could not be shortened: the original ones were used"] if stayed else []
    complaints = released.count_complaints(run.samples.values())
    if not options.allow_partial:
        if complaints:
            raise Incomplete(f"{run.record.name}: {listed(complaints)}. allow_partial: true reports what there is")
        results.check_complete(scores, run.samples.values())
    elif complaints or len(scores) < len(run.samples):
        notes.append(f"PARTIAL: {len(scores)} of {released.EXPECTED} samples")
    defective = defects.known(scores)
    explained = {one.place for some in defective.values() for one in some}
    broken = results.errors(one for one in scores if one.place not in explained)
    if broken and not options.accept_errors:
        raise ValueError(
            f"{run.record.name}: the evaluator failed on {len(broken)} samples and scored them 0: {listed(broken, 3)}. "
            "Set accept_errors: true to report them so"
        )
    notes += [f"the evaluator failed on {len(broken)} samples and scored them 0"] if broken else []
    notes += defects.notes(defective)
    zero = results.tasks_all_zero(scores)
    notes += [f"every sample scored 0 in {len(zero)} tasks: {listed(zero, 5)}"] if zero else []
    variant = options.variant if folder == options.run and options.variant else variant_of(run.record)
    made = row(run.record.name, variant, scored.scoring, scores, notes, defects.tasks(defective, scores))
    return made, scores


def _compared(made: Row, scores: Sequence[SampleScore], first: Sequence[SampleScore], partial: bool) -> Row:
    """`made` with its difference to the first row; `partial`: over what both have scores of, and how many that are."""
    ours, theirs = shared(scores, first) if partial else (scores, first)
    if not ours:
        return made.model_copy(update={"notes": (*made.notes, "All - first: no sample has scores of both runs")})
    over = len(ours) < max(len(scores), len(first))
    notes = [f"All - first: over the {len(ours)} samples that have scores of both runs"] if over else []
    return made.model_copy(update={"difference": difference(ours, theirs), "notes": (*made.notes, *notes)})


def _scored(place: Path) -> Scored | None:
    if not (place / EVALUATION).is_file():
        return None
    values = read_json(place / EVALUATION)
    try:
        commands = tuple(tuple(command) for command in values["commands"])
        return Scored(values["scoring"], values["videos"], commands, tuple(values["results"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{place / EVALUATION} was not written by the step score ({error}): delete it") from error
