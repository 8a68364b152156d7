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
        description="task_specific: the task's rule alone (run_evaluation). weighted: first frame .15, "
        "final frame .35, smoothness .15, looks .10, rule .25 (evaluate). The two give different numbers.",
    )
    command: tuple[str, ...] = Field(
        (),
        description="Program and first arguments, e.g. [ENV/bin/python, CLONE/run_evaluation.py]; none: the installed "
        "vbvr-run-evaluation or vbvr-evaluate.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Its rules need no GPU.")
    timeout_s: float = Field(6 * 3600.0, gt=0, le=7 * 86400, description="Seconds for one call before it is ended.")


class VbvrOptions(Options):
    """One step. Unknown names are errors."""

    step: Literal["unpack", "rewrite", "export", "score", "table"] = Field(
        description="unpack: first frames and prompts from VBVR-Bench.json. rewrite: shorten the queries. export: "
        "videos under the benchmark's names. score: export and run the official evaluator. table: report its results."
    )
    benchmark: Path | None = Field(None, description="unpack, rewrite, score: the downloaded data set.")
    listing: Path | None = Field(None, description="unpack: VBVR-Bench.json; null: the one in `benchmark`.")
    run: Path | None = Field(None, description="export, score, table: the run's folder.")
    others: tuple[Path, ...] = Field((), description="table: further scored runs, compared with `run`.")
    out: Path | None = Field(
        None, description="rewrite: where the tasks go. Others: null is `vbvr` in the run's folder."
    )
    seed: int | None = Field(None, description="Whose videos; null where the run has one seed only.")
    variant: Variant | None = Field(None, description="What the run is called; null: as its record says.")
    evaluator: EvaluatorOptions = Field(default_factory=EvaluatorOptions, description="score: the official evaluator.")
    vlm: VLMOptions = Field(default_factory=VLMOptions, description="rewrite: who shortens the queries.")
    concurrency: int = Field(16, ge=1, le=1024, description="rewrite: most requests in flight.")
    ask_failed_again: bool = Field(
        False, description="rewrite: ask again for queries that the VLM itself could not shorten; final otherwise."
    )
    keep_failed: bool = Field(
        False, description="rewrite: queries that the VLM itself could not shorten stay as they are; the table says so."
    )
    allow_partial: bool = Field(False, description="score, table: go on although samples are missing; it then says so.")
    accept_errors: bool = Field(
        False, description="table: report although the evaluator failed on samples, which it then scores 0."
    )

    @model_validator(mode="after")
    def _fits_the_step(self) -> "VbvrOptions":
        needed = {"unpack": ("benchmark",), "rewrite": ("benchmark", "out"), "score": ("benchmark", "run")}
        missing = [name for name in needed.get(self.step, ("run",)) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)}: the step {self.step} needs it")
        if self.out is not None and self.others:
            raise ValueError("out and others: runs that are compared have their results in their own folders")
        return self

    def place(self, run: Path | None = None) -> Path:
        """Where the results of a run lie."""
        return self.out or (run or self.run) / "vbvr"
