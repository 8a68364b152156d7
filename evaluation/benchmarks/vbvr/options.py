"""Options of `python -m evaluation.benchmarks.vbvr`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from models.vlm.options import VLMOptions
from storage.options import Options

Scoring = Literal["task_specific", "weighted"]
Variant = Literal["vanilla", "trained", "prompt_rewrite"]


class EvaluatorOptions(Options):
    """The official evaluator: which of its two scorings, and how it is started. Unknown names are errors."""

    scoring: Scoring = Field(
        "task_specific",
        description="task_specific: only the task's rule (run_evaluation). weighted: first frame .15, final frame .35, "
        "smoothness .15, looks .10, rule .25 (evaluate). The two are not comparable.",
    )
    command: tuple[str, ...] = Field(
        (),
        description="Program and first arguments, e.g. [ENV/bin/python, CLONE/run_evaluation.py]. Empty list: the "
        "installed vbvr-run-evaluation or vbvr-evaluate.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Device of the evaluator. Its rules need no GPU.")
    timeout_s: float = Field(6 * 3600.0, gt=0, le=7 * 86400, description="Seconds after which one call is stopped.")


class VbvrOptions(Options):
    """One step. Unknown names are errors."""

    step: Literal["unpack", "rewrite", "export", "score", "table"] = Field(
        description="unpack: first frames and prompts from VBVR-Bench.json. rewrite: shorten the queries. export: "
        "videos under the benchmark's names. score: export and run the official evaluator. table: report its results."
    )
    benchmark: Path | None = Field(None, description="unpack, rewrite, score: the downloaded data set.")
    listing: Path | None = Field(None, description="unpack: VBVR-Bench.json; null: the one in `benchmark`.")
    run: Path | None = Field(None, description="export, score, table: the run's folder.")
    others: tuple[Path, ...] = Field((), description="table: more scored runs to compare with `run`.")
    out: Path | None = Field(
        None, description="Output folder. rewrite: of the tasks. Other steps: null is `vbvr` in the run's folder."
    )
    seed: int | None = Field(None, description="Seed whose videos are scored. null: the run's only seed.")
    variant: Variant | None = Field(None, description="Variant of the run. null: as its record says.")
    evaluator: EvaluatorOptions = Field(default_factory=EvaluatorOptions, description="score: the official evaluator.")
    vlm: VLMOptions = Field(default_factory=VLMOptions, description="rewrite: the VLM that shortens the queries.")
    concurrency: int = Field(16, ge=1, le=1024, description="rewrite: most requests in flight at once.")
    ask_failed_again: bool = Field(
        False, description="rewrite: ask again for queries that the VLM could not shorten. false: these are final."
    )
    keep_failed: bool = Field(
        False, description="rewrite: keep the original query if the VLM could not shorten it. The table says so."
    )
    allow_partial: bool = Field(False, description="score, table: continue although samples are missing.")
    accept_errors: bool = Field(
        False, description="table: report although the evaluator failed on samples, which it scored 0."
    )

    @model_validator(mode="after")
    def _fits_the_step(self) -> "VbvrOptions":
        needed = {"unpack": ("benchmark",), "rewrite": ("benchmark", "out"), "score": ("benchmark", "run")}
        missing = [name for name in needed.get(self.step, ("run",)) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"the step {self.step} needs {', '.join(missing)}: set it")
        if self.out is not None and self.others:
            raise ValueError("out cannot be set with others: compared runs keep results in their own folders")
        return self

    def place(self, run: Path | None = None) -> Path:
        """Where the results of a run lie."""
        return self.out or (run or self.run) / "vbvr"
