"""What would stop an evaluation hours later stops it at its start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.support.config_blocks import plain
from models.vlm.api_key import check_key
from models.vlm.options import VLMOptions


def check_evaluation(checked: Mapping[str, Any], partition: str | None) -> None:
    """Raises ValueError, its text beginning with the stage, for a VLM without its key, judges and benchmark that do not
    fit, a seed or groups without videos, several seeds and none chosen, published words that cannot be read, and an
    official evaluator that is not installed. `checked` are the options of all stages of the run."""
    videos = checked["generated_videos"]
    if any(run.conditioning == "vlm" for run in videos.runs):
        _key(videos.writer.vlm, "generated_videos.config.writer.vlm")
    if "judgements" in checked:
        judges = checked["judgements"]
        _key(judges.vlm, "judgements.config.vlm")
        for number, one in enumerate(judges.further):
            _key(one.vlm, f"judgements.config.further.{number}.vlm")
    if "dreamgen_scores" in checked:
        _benchmark(videos, "dreamgen", "dreamgen_scores", checked["dreamgen_scores"].seed)
        _groups(videos.benchmark.groups, checked["dreamgen_scores"].groups)
        _key(checked["dreamgen_scores"].judge.vlm, "dreamgen_scores.config.judge.vlm")
        _dreamgen_judge(checked["dreamgen_scores"].judge)
    if "vbvr_queries" in checked and shortens(checked):
        _key(checked["vbvr_queries"].vlm, "vbvr_queries.config.vlm")
    if "vbvr_scores" in checked:
        _benchmark(videos, "vbvr", "vbvr_scores", checked["vbvr_scores"].seed)
        _evaluator(checked["vbvr_scores"])


def shortens(checked: Mapping[str, Any]) -> bool:
    """Whether VBVR's queries are shortened: where a run of the recipe takes them so, or for their own sake alone."""
    videos = checked.get("generated_videos")
    wanted = videos is None or any(run.queries == "short" for run in videos.runs)
    return checked["vbvr_queries"].rewrite and wanted


def judges_ahead(checked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who will judge the videos of this run, as options of `python -m evaluation.generate`."""
    longest = max(run.model.frames if run.model else checked["generated_videos"].model.frames for run in _runs(checked))
    judges = [checked["judgements"], *checked["judgements"].further] if "judgements" in checked else []
    judges += [checked["dreamgen_scores"].judge] if "dreamgen_scores" in checked else []
    given = [bool(getattr(one, "given", "")) for one in judges]  # a picture before the frames
    return [
        {"vlm": plain(one.vlm), "frames": min(one.frames, longest) + more}
        for one, more in zip(judges, given, strict=True)
    ]


def _runs(checked: Mapping[str, Any]) -> list[Any]:
    return [*checked["generated_videos"].runs, *checked["generated_videos"].curves]


def _key(vlm: VLMOptions, place: str) -> None:
    try:
        check_key(vlm.api_key_env)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error


def _benchmark(videos: Any, expected: str, stage: str, seed: int | None) -> None:
    if videos.benchmark.kind != expected:
        raise ValueError(
            f"{stage} needs the benchmark {expected}: ops.generated_videos.config.benchmark is {videos.benchmark.kind}"
        )
    known = ", ".join(map(str, videos.seeds))
    if seed is None and len(videos.seeds) > 1:
        raise ValueError(
            f"{stage}.config.seed is not set: choose one of generated_videos.config.seeds ({known}). The tools of "
            f"{expected} take one video a sample"
        )
    if seed is not None and seed not in videos.seeds:
        raise ValueError(f"{stage}.config.seed = {seed}: choose one of generated_videos.config.seeds: {known}")


def _groups(made: Sequence[str], wanted: Sequence[str]) -> None:
    without = sorted(set(wanted) - set(made))
    if without:
        raise ValueError(
            f"dreamgen_scores.config.groups = {list(wanted)}: {', '.join(without)} has no videos. Add it to "
            f"generated_videos.config.benchmark.dreamgen.groups, now {list(made)}"
        )


def _dreamgen_judge(judge: Any) -> None:
    from evaluation.benchmarks.dreamgen.published import read_published

    if judge.vlm.backend == "scripted":
        raise ValueError(
            "dreamgen_scores.config.judge.vlm.backend = 'scripted': that judge knows the microworld alone. Name the "
            "model that judges"
        )
    try:
        if judge.published:
            read_published(Path(judge.published))
    except (OSError, ValueError) as error:
        raise ValueError(f"dreamgen_scores.config.judge.published: {error}") from error


def _evaluator(config: Any) -> None:
    from evaluation.benchmarks.vbvr.evaluator import NoEvaluator, program
    from evaluation.benchmarks.vbvr.options import EvaluatorOptions

    try:
        program(EvaluatorOptions(**plain(config.evaluator)))
    except NoEvaluator as error:
        raise ValueError(f"vbvr_scores.config.evaluator: {error}") from error
