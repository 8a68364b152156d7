"""The blocks `ops.generated_videos.config` and those of the assets after it."""

from typing import Annotated, Literal

import dagster as dg
from pydantic import Field, field_validator, model_validator

from assets.support.config_blocks import config_block
from evaluation.benchmarks.dreamgen.options import DreamgenTableOptions
from evaluation.benchmarks.vbvr.options import EvaluatorOptions
from evaluation.checks import WORST_FAILURE_RATE
from evaluation.generation.options import MAX_CUT, SamplerOptions, WriterOptions
from evaluation.generation.sources import AuthorsSource, DreamgenSource
from evaluation.judging.options import JudgingOptions
from evaluation.preference.options import PickScoreModel
from evaluation.records import Conditioning
from models.video.options import VideoModelOptions
from models.vlm.options import VLMOptions
from storage.collection import NAME

MOST_CURVE_NAME = 50  # characters
GRACE = "Seconds that a cancelled child has to end before it is killed; what is finished is kept either way."
Sampler, Model, VLM = config_block(SamplerOptions), config_block(VideoModelOptions), config_block(VLMOptions)


def run_name(name: str) -> str:
    """`name` when it can be a folder and a partition. Raises ValueError."""
    if not NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"name {name!r}: up to 64 letters, digits, '.', '_' or '-' are expected, and no two dots")
    return name


def folder_name(name: str) -> str:
    """A `run_name`, or nothing."""
    return run_name(name) if name else name


RunName = Annotated[str, Field(description="Its folder below evaluation/runs, and its partition.")]


class MicroworldTasks(dg.Config):
    """Held-out tasks of the microworld; the same options as training's held-out split give the same tasks."""

    kind: Literal["microworld"] = "microworld"
    tasks: int = Field(200, ge=1, le=100_000, description="How many.")
    seed: int = Field(1, ge=0, description="Of scenes and tasks.")
    unseen_share: float = Field(0.25, ge=0, le=1, description="Share of combinations that training never saw.")


class BenchSplit(dg.Config):
    """The benchmark split of a release of this collection: WorldTasks-Bench in our form."""

    kind: Literal["release"] = "release"
    version: str = Field("", description="Version of the release (its folder's name); empty: the latest.")
    missing_images: bool = Field(False, description="Go on without pictures that are nowhere: their videos fail.")

    _named = field_validator("version")(folder_name)


class VbvrFolder(dg.Config):
    """VBVR-Bench as downloaded and unpacked."""

    kind: Literal["vbvr"] = "vbvr"
    path: str = Field(min_length=1, description="The downloaded data set.")


AnyBenchmark = MicroworldTasks | BenchSplit | config_block(AuthorsSource) | config_block(DreamgenSource) | VbvrFolder


class EvaluatedRun(dg.Config):
    """One row of the table: a model, with or without a LoRA, under one conditioning."""

    name: RunName
    role: str = Field("", description="What it stands for: base, demonstrator, executor, vlm, or a name of its own.")
    conditioning: Conditioning = Field(
        "task", description="What the model is told: T, the stored solution D, or a solution that a VLM writes."
    )
    training: str = Field("", description="Folder below training/ whose final LoRA it wears, e.g. wmsd.")
    executor: str = Field(
        "", pattern="^([0-9a-f]{8,64})?$", description="Version of the Executor that `training` must hold; empty: any."
    )
    lora: str = Field("", description="Instead: a LoRA's folder, .safetensors file, or Hub id owner/name.")
    lora_revision: str | None = Field(None, description="Branch, tag or commit of a LoRA from the Hub.")
    step: int | None = Field(None, ge=0, description="Training step of the LoRA, for curves; null: no point of one.")
    samples: int | None = Field(
        None, ge=1, description="Only the benchmark's first samples, e.g. at other steps; null: the block's `samples`."
    )
    queries: Literal["full", "short"] = Field("full", description="vbvr: its own queries, or those made shorter.")
    notes: list[str] = Field([], description="What a reader of its scores must know: stands at the report's head.")
    model: Model | None = Field(None, description="Another model than the block's.")
    sampler: Sampler | None = Field(None, description="Another sampler than the block's.")

    _named = field_validator("name")(run_name)
    _trained = field_validator("training")(folder_name)

    @model_validator(mode="after")
    def _one_lora(self) -> "EvaluatedRun":
        if self.training and self.lora:
            raise ValueError(f"training {self.training!r} and lora {self.lora!r}: one of them is expected")
        if self.executor and not self.training:
            raise ValueError(f"executor {self.executor!r} is set and training, which is to hold it, is not")
        if self.lora_revision is not None and not self.lora:
            raise ValueError(f"lora_revision {self.lora_revision!r} is set and lora is not")
        return self


class TrainingCurve(dg.Config):
    """One curve: the LoRAs that a training kept, a run each, under T. The base is its step 0 where it is a run too."""

    name: RunName = Field(description="Its points are runs named NAME-step-00055 and so on.")
    role: str = Field("executor", description="What its points stand for.")
    training: str = Field(min_length=1, description="Folder below training/ with adapters/, e.g. wmsd.")
    steps: list[Annotated[int, Field(ge=1)]] = Field([], description="Training steps; none: all that it kept.")
    samples: int | None = Field(None, ge=1, description="Only the benchmark's first samples; null: as the other runs.")
    notes: list[str] = Field([], description="What a reader of its scores must know.")
    model: Model | None = Field(None, description="Another model than the block's.")
    sampler: Sampler | None = Field(None, description="Another sampler than the block's.")

    _trained = field_validator("training")(folder_name)

    @field_validator("name")
    @classmethod
    def _with_steps(cls, value: str) -> str:
        if len(value) > MOST_CURVE_NAME:
            raise ValueError(f"name {value!r}: up to {MOST_CURVE_NAME} characters are expected, its points' are longer")
        return run_name(value)


class GeneratedVideosConfig(dg.Config):
    """What is evaluated: runs on one benchmark."""

    benchmark: AnyBenchmark = Field(discriminator="kind", description="Where first frames and tasks come from.")
    samples: int | None = Field(None, ge=1, description="Only the benchmark's first samples; null: all.")
    model: Model = Field(description="The base model.")
    sampler: Sampler = Field(Sampler(), description="From noise to data.")
    seeds: list[int] = Field([0], min_length=1, description="A video of each sample for each.")
    batch: int = Field(8, ge=1, le=4096, description="Videos sampled together; decides nothing but speed and memory.")
    writer: config_block(WriterOptions) = Field(
        config_block(WriterOptions)(), description="Who writes the solutions under the conditioning vlm."
    )
    runs: list[EvaluatedRun] = Field(min_length=1, description="The rows of the table.")
    curves: list[TrainingCurve] = Field([], description="Trainings whose kept LoRAs are evaluated, a run each.")
    failed_share: float = Field(
        WORST_FAILURE_RATE,
        ge=0,
        le=1,
        description="Share of a run's videos that may fail (image unreadable, solution refused ...); above, nothing is "
        "judged.",
    )
    max_cut_share: float = Field(0.25, ge=0, le=1, description=MAX_CUT)
    replace: bool = Field(
        False, description="Begin anew where a run's folder holds one made otherwise (another LoRA, other options)."
    )
    grace_s: float = Field(120.0, gt=0, description=GRACE)

    @model_validator(mode="after")
    def _fit(self) -> "GeneratedVideosConfig":
        names = [one.name for one in (*self.runs, *self.curves)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two runs are called {twice[0]!r}: a name each is expected (of runs and curves)")
        points = [name for name in names for one in self.curves if name.startswith(f"{one.name}-step-")]
        if points:
            raise ValueError(f"{points[0]!r} is the name of a curve's point: another one is expected")
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds {self.seeds}: different numbers from 0 on are expected")
        short = [run.name for run in self.runs if run.queries == "short"]
        if short and self.benchmark.kind != "vbvr":
            raise ValueError(f"run {short[0]!r} has queries short, which only the benchmark vbvr knows")
        return self


class JudgementsConfig(config_block(JudgingOptions)):
    """Who judges, and what else is asked of the videos."""

    further: list[config_block(JudgingOptions)] = Field(
        [], description="Further judges of the same videos, each with a `name`, to see how far judges agree."
    )
    pickscore: config_block(PickScoreModel) | None = Field(
        None, description="PickScore of the videos; left out with a reason where its weights are absent."
    )
    grace_s: float = Field(60.0, gt=0, description=GRACE)

    @model_validator(mode="after")
    def _apart(self) -> "JudgementsConfig":
        names = [one.name for one in self.further]
        if self.name or "" in names or len(set(names)) != len(names):
            raise ValueError(f"names {[self.name, *names]}: none for the judge, and another for each further one")
        return self


class ScoresConfig(dg.Config):
    """How judged runs are scored."""

    expected: int | None = Field(
        None,
        ge=1,
        description="Samples of the whole benchmark; a run over others is refused before anything is made. Points of "
        "curves, and runs with fewer `samples` of their own, are not held to it.",
    )


class ReportConfig(dg.Config):
    """What the page shows."""

    runs: list[str] = Field([], description="Names of runs; none: all judged ones of the collection.")
    name: str = Field("", description="Its folder below evaluation/reports; the usual one when empty.")
    title: str = Field("", description="Heading of the page; empty: the benchmarks' names.")
    reference: str = Field("", description="Run that others are compared with; empty: that of role base.")
    exact_judge: str = Field("", description="Judge taken as right where two judged the same; empty: the scores'.")
    expected: int | None = Field(None, ge=1, description="Samples of the whole benchmark; a run with others is told.")
    reproduction: bool = Field(True, description="With the ablation charts of the asset `reproduction`, if it is made.")
    grace_s: float = Field(30.0, gt=0, description=GRACE)

    _named = field_validator("name", "reference")(folder_name)

    @field_validator("runs")
    @classmethod
    def _each(cls, value: list[str]) -> list[str]:
        return [run_name(name) for name in value]


class DreamgenScoresConfig(config_block(DreamgenTableOptions)):
    """DreamGen Bench: who judges, and what the table is of."""

    videophy: dict[str, str] = Field({}, description="Run name -> VideoPhy's output CSV of physics scores (PA-II).")
    videophy_version: int = Field(1, ge=1, le=2, description="1: P(yes) at 0.5. 2: scores 1 to 5 at 4.")
    grace_s: float = Field(60.0, gt=0, description=GRACE)


class VbvrQueriesConfig(dg.Config):
    """VBVR-Bench: its folder made ready, its queries made shorter."""

    path: str = Field(min_length=1, description="The downloaded data set.")
    unpack: bool = Field(False, description="Write first frames and prompts from VBVR-Bench.json first.")
    rewrite: bool = Field(True, description="Shorten the queries, where a run of the recipe has queries short.")
    vlm: VLM = Field(VLM(), description="Who shortens them.")
    concurrency: int = Field(16, ge=1, le=1024, description="Most requests in flight.")
    ask_failed_again: bool = Field(
        False, description="Ask again for queries that the VLM itself could not shorten; final otherwise."
    )
    keep_failed: bool = Field(
        False, description="Queries that the VLM itself could not shorten stay as they are; the table says so."
    )
    grace_s: float = Field(60.0, gt=0, description=GRACE)


class VbvrScoresConfig(dg.Config):
    """VBVR-Bench: the official evaluator."""

    path: str = Field(min_length=1, description="The downloaded data set, with ground truth.")
    evaluator: config_block(EvaluatorOptions) = Field(
        config_block(EvaluatorOptions)(), description="Which of its two scorings, and how it is started."
    )
    seed: int | None = Field(None, description="Whose videos; null where the run has one seed only.")
    allow_partial: bool = Field(False, description="Go on although samples are missing; the table says so.")
    accept_errors: bool = Field(False, description="Report although the evaluator failed on samples (scored 0).")
    grace_s: float = Field(60.0, gt=0, description=GRACE)
