"""The blocks `ops.generated_videos.config` and those of the assets after it."""

from typing import Annotated, Literal

import dagster as dg
from pydantic import Field, field_validator, model_validator

from assets.support.config_blocks import config_block
from evaluation.benchmarks.dreamgen.options import DreamgenTableOptions
from evaluation.benchmarks.vbvr.options import EvaluatorOptions
from evaluation.checks import WORST_FAILURE_RATE
from evaluation.generation.options import CONTROL_TOLD, MAX_CUT, Control, SamplerOptions, WriterOptions
from evaluation.generation.sources import AuthorsSource, DreamgenSource
from evaluation.judging.options import JudgingOptions
from evaluation.preference.options import PickScoreModel
from evaluation.records import Conditioning
from models.video.options import VideoModelOptions
from models.vlm.options import VLMOptions
from storage.collection import NAME

MOST_CURVE_NAME = 50  # characters
GRACE = "Seconds that a cancelled child process has to end before it is killed. Finished work is kept either way."
Sampler, Model, VLM = config_block(SamplerOptions), config_block(VideoModelOptions), config_block(VLMOptions)


def run_name(name: str) -> str:
    """`name` when it can be a folder and a partition. Raises ValueError."""
    if not NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"name {name!r}: use up to 64 letters, digits, '.', '_' or '-', without '..'")
    return name


def folder_name(name: str) -> str:
    """A `run_name`, or nothing."""
    return run_name(name) if name else name


RunName = Annotated[str, Field(description="Name of the run: its folder below evaluation/runs, and its partition.")]


class MicroworldTasks(dg.Config):
    """Held-out tasks of the microworld; the same options as training's held-out split give the same tasks."""

    kind: Literal["microworld"] = "microworld"
    tasks: int = Field(200, ge=1, le=100_000, description="Number of held-out tasks.")
    seed: int = Field(1, ge=0, description="Seed of scenes and tasks.")
    unseen_share: float = Field(0.25, ge=0, le=1, description="Share of tasks whose combination training never saw.")


class BenchSplit(dg.Config):
    """The benchmark split of a release of this collection: our version of WorldTasks-Bench."""

    kind: Literal["release"] = "release"
    version: str = Field("", description="Version of the release: its folder's name. Empty: the latest.")
    missing_images: bool = Field(False, description="Continue when images are missing. Their videos count as failed.")

    _named = field_validator("version")(folder_name)


class VbvrFolder(dg.Config):
    """VBVR-Bench as downloaded and unpacked."""

    kind: Literal["vbvr"] = "vbvr"
    path: str = Field(min_length=1, description="Folder of the downloaded data set.")


AnyBenchmark = MicroworldTasks | BenchSplit | config_block(AuthorsSource) | config_block(DreamgenSource) | VbvrFolder


class EvaluatedRun(dg.Config):
    """One row of the table: a model, with or without a LoRA, under one conditioning."""

    name: RunName
    role: str = Field("", description="What the run stands for: base, demonstrator, executor, vlm, or your own name.")
    conditioning: Conditioning = Field(
        "task",
        description="Prompt of the model. task: T. demonstrator: the stored solution D. vlm: a solution that a VLM "
        "writes.",
    )
    training: str = Field("", description="Folder below training/ whose final LoRA the run uses, e.g. wmsd.")
    executor: str = Field(
        "", pattern="^([0-9a-f]{8,64})?$", description="Executor version that `training` must hold. Empty: any."
    )
    lora: str = Field("", description="LoRA to use instead: a folder, a .safetensors file, or a Hub id owner/name.")
    lora_revision: str | None = Field(None, description="Branch, tag or commit of a LoRA from the Hub.")
    step: int | None = Field(None, ge=0, description="Training step of the LoRA, for curves. null: not on a curve.")
    samples: int | None = Field(
        None, ge=1, description="Evaluate only this many first samples of the benchmark. null: the block's `samples`."
    )
    queries: Literal["full", "short"] = Field("full", description="vbvr: its own queries, or shortened ones.")
    notes: list[str] = Field([], description="What readers of these scores must know. The report shows it on top.")
    control: Control = Field("", description=CONTROL_TOLD)
    of: str = Field("", description="shuffled: name of the run whose videos are shuffled.")
    model: Model | None = Field(None, description="Model of this run. null: the block's.")
    sampler: Sampler | None = Field(None, description="Sampler of this run. null: the block's.")

    _named = field_validator("name")(run_name)
    _trained = field_validator("training", "of")(folder_name)

    @model_validator(mode="after")
    def _one_lora(self) -> "EvaluatedRun":
        if self.training and self.lora:
            raise ValueError(f"training {self.training!r} and lora {self.lora!r} are both set: set only one")
        if self.executor and not self.training:
            raise ValueError(f"executor {self.executor!r} is set without training: name the training that holds it")
        if self.lora_revision is not None and not self.lora:
            raise ValueError(f"lora_revision {self.lora_revision!r} is set without lora: set lora to a Hub id")
        if bool(self.of) != (self.control == "shuffled"):
            raise ValueError(f"run {self.name!r}: `of` names the run that control shuffled takes, and is for it alone")
        if self.control and (self.training or self.lora or self.conditioning != "task" or self.step is not None):
            raise ValueError(f"run {self.name!r}: a control has no training, lora or step, and conditioning task")
        return self


class TrainingCurve(dg.Config):
    """One curve: each LoRA that a training kept, as a run under T. If the base is a run too, it is step 0."""

    name: RunName = Field(description="Name of the curve. Its points are runs named NAME-step-00055 and so on.")
    role: str = Field("executor", description="What the points stand for, as for runs.")
    training: str = Field(min_length=1, description="Folder below training/ that holds adapters/, e.g. wmsd.")
    steps: list[Annotated[int, Field(ge=1)]] = Field([], description="Training steps. Empty list: all kept ones.")
    samples: int | None = Field(
        None, ge=1, description="Evaluate only this many first samples of the benchmark. null: the block's `samples`."
    )
    notes: list[str] = Field([], description="What readers of these scores must know.")
    model: Model | None = Field(None, description="Model of the points. null: the block's.")
    sampler: Sampler | None = Field(None, description="Sampler of the points. null: the block's.")

    _trained = field_validator("training")(folder_name)

    @field_validator("name")
    @classmethod
    def _with_steps(cls, value: str) -> str:
        if len(value) > MOST_CURVE_NAME:
            raise ValueError(
                f"name {value!r} is too long: use up to {MOST_CURVE_NAME} characters, as its points' names are longer"
            )
        return run_name(value)


class GeneratedVideosConfig(dg.Config):
    """What is evaluated: runs on one benchmark."""

    benchmark: AnyBenchmark = Field(discriminator="kind", description="Source of the first frames and tasks.")
    samples: int | None = Field(None, ge=1, description="Evaluate only this many first samples. null: all.")
    model: Model = Field(description="The base model.")
    sampler: Sampler = Field(Sampler(), description="How videos are sampled.")
    seeds: list[int] = Field([0], min_length=1, description="Seeds. Each sample gets one video for each seed.")
    batch: int = Field(8, ge=1, le=4096, description="Videos sampled together. Changes only speed and memory.")
    writer: config_block(WriterOptions) = Field(
        config_block(WriterOptions)(), description="The VLM that writes the solutions for runs with conditioning vlm."
    )
    runs: list[EvaluatedRun] = Field(min_length=1, description="The runs to evaluate: the rows of the table.")
    curves: list[TrainingCurve] = Field([], description="Trainings whose kept LoRAs are evaluated, one run each.")
    failed_share: float = Field(
        WORST_FAILURE_RATE,
        ge=0,
        le=1,
        description="Share of a run's videos that may fail, e.g. image unreadable or solution refused. With more "
        "failures nothing is judged.",
    )
    max_cut_share: float = Field(0.25, ge=0, le=1, description=MAX_CUT)
    replace: bool = Field(
        False, description="Overwrite a run's folder that was made with another LoRA or other options."
    )
    grace_s: float = Field(120.0, gt=0, description=GRACE)

    @model_validator(mode="after")
    def _fit(self) -> "GeneratedVideosConfig":
        names = [one.name for one in (*self.runs, *self.curves)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two runs or curves are called {twice[0]!r}: give each its own name")
        points = [name for name in names for one in self.curves if name.startswith(f"{one.name}-step-")]
        if points:
            raise ValueError(f"run {points[0]!r} has the name of a curve's point: choose another name")
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds {self.seeds}: use different whole numbers of at least 0")
        short = [run.name for run in self.runs if run.queries == "short"]
        if short and self.benchmark.kind != "vbvr":
            raise ValueError(
                f"run {short[0]!r} has queries: short, which only the benchmark vbvr has: the benchmark is "
                f"{self.benchmark.kind}"
            )
        return self


class JudgementsConfig(config_block(JudgingOptions)):
    """Who judges, and what else is asked of the videos."""

    further: list[config_block(JudgingOptions)] = Field(
        [], description="More judges of the same videos, to measure how far judges agree. Each needs a `name`."
    )
    pickscore: config_block(PickScoreModel) | None = Field(
        None, description="Compute PickScore. If its weights are absent, it is left out and the reason is told."
    )
    grace_s: float = Field(60.0, gt=0, description=GRACE)

    @model_validator(mode="after")
    def _apart(self) -> "JudgementsConfig":
        names = [one.name for one in self.further]
        if self.name or "" in names or len(set(names)) != len(names):
            raise ValueError(f"names {[self.name, *names]}: give the first judge no name, and each further one its own")
        return self


class ScoresConfig(dg.Config):
    """How judged runs are scored."""

    expected: int | None = Field(
        None,
        ge=1,
        description="Number of samples of the whole benchmark. A run with another number is refused before anything "
        "is made. Curve points and runs with their own `samples` are exempt.",
    )


class ReportConfig(dg.Config):
    """What the page shows."""

    runs: list[str] = Field([], description="Names of runs. Empty list: all judged runs.")
    name: str = Field("", description="Folder below evaluation/reports. Empty: the default folder.")
    title: str = Field("", description="Heading of the page. Empty: the benchmarks' names.")
    reference: str = Field("", description="Run that others are compared with. Empty: the one of role base.")
    exact_judge: str = Field("", description="Judge taken as right when judges are compared. Empty: the scores' judge.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark. The page marks runs with another number."
    )
    reproduction: bool = Field(True, description="Show the ablation charts of the asset `reproduction`, if it exists.")
    grace_s: float = Field(30.0, gt=0, description=GRACE)

    _named = field_validator("name", "reference")(folder_name)

    @field_validator("runs")
    @classmethod
    def _each(cls, value: list[str]) -> list[str]:
        return [run_name(name) for name in value]


class DreamgenScoresConfig(config_block(DreamgenTableOptions)):
    """DreamGen Bench: the judge, and what the table covers."""

    videophy: dict[str, str] = Field({}, description="VideoPhy's CSV of physics scores (PA-II), by run name.")
    videophy_version: int = Field(1, ge=1, le=2, description="1: P(yes), cut at 0.5. 2: scores 1 to 5, cut at 4.")
    grace_s: float = Field(60.0, gt=0, description=GRACE)


class VbvrQueriesConfig(dg.Config):
    """VBVR-Bench: unpacking its files and shortening its queries."""

    path: str = Field(min_length=1, description="Folder of the downloaded data set.")
    unpack: bool = Field(False, description="First write first frames and prompts from VBVR-Bench.json.")
    rewrite: bool = Field(True, description="Shorten the queries if a run of the recipe has `queries: short`.")
    vlm: VLM = Field(VLM(), description="The VLM that shortens the queries.")
    concurrency: int = Field(16, ge=1, le=1024, description="Most requests in flight at once.")
    ask_failed_again: bool = Field(
        False, description="Ask again for queries that the VLM could not shorten. false: such failures are final."
    )
    keep_failed: bool = Field(
        False, description="Keep the original query if the VLM could not shorten it. The table says so."
    )
    grace_s: float = Field(60.0, gt=0, description=GRACE)


class VbvrScoresConfig(dg.Config):
    """VBVR-Bench: the official evaluator."""

    path: str = Field(min_length=1, description="Folder of the downloaded data set, with ground truth.")
    evaluator: config_block(EvaluatorOptions) = Field(
        config_block(EvaluatorOptions)(), description="Which of its two scorings to use, and how to start it."
    )
    seed: int | None = Field(None, description="Seed whose videos are scored. null: the run's only seed.")
    allow_partial: bool = Field(False, description="Continue although samples are missing. The table says so.")
    accept_errors: bool = Field(False, description="Report although the evaluator failed on samples, scored 0.")
    grace_s: float = Field(60.0, gt=0, description=GRACE)
