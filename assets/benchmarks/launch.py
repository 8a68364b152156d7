"""What would stop an evaluation hours later stops it at its start."""

from collections.abc import Mapping
from typing import Any

from models.vlm.build import VLMOptions
from models.vlm.openai_server import check_key


def check_evaluation(checked: Mapping[str, Any], partition: str | None) -> None:
    """Raises ValueError, its text beginning with the stage, for a VLM without its key, judges and benchmark that do not
    fit, and an official evaluator that is not installed. `checked` are the options of all stages of the run."""
    videos = checked["generated_videos"]
    kind = videos.benchmark.kind
    if any(run.conditioning == "vlm" for run in videos.runs):
        _key(videos.writer.vlm, "generated_videos.config.writer.vlm")
    if "judgements" in checked:
        judges = checked["judgements"]
        _key(judges.vlm, "judgements.config.vlm")
        for number, one in enumerate(judges.further):
            _key(one.vlm, f"judgements.config.further.{number}.vlm")
    if "dreamgen_scores" in checked:
        _benchmark(kind, "dreamgen", "dreamgen_scores")
        _key(checked["dreamgen_scores"].judge.vlm, "dreamgen_scores.config.judge.vlm")
    if "vbvr_queries" in checked and checked["vbvr_queries"].rewrite:
        _key(checked["vbvr_queries"].vlm, "vbvr_queries.config.vlm")
    if "vbvr_scores" in checked:
        _benchmark(kind, "vbvr", "vbvr_scores")
        _evaluator(checked["vbvr_scores"])


def _key(vlm: VLMOptions, place: str) -> None:
    try:
        check_key(vlm.api_key_env)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error


def _benchmark(kind: str, expected: str, stage: str) -> None:
    if kind != expected:
        raise ValueError(f"{stage}: the benchmark of generated_videos is {kind}: {expected} is expected")


def _evaluator(config: Any) -> None:
    from assets.config_blocks import plain
    from evaluation.vbvr.evaluator import NoEvaluator, program
    from evaluation.vbvr.options import EvaluatorOptions

    try:
        program(EvaluatorOptions(**plain(config.evaluator)))
    except NoEvaluator as error:
        raise ValueError(f"vbvr_scores.config.evaluator: {error}") from error
