"""What a report is made of."""

from pydantic import Field, field_validator

from storage.options import Options


class ReportOptions(Options):
    """Which runs, compared with which of them, and where the page goes. Unknown names are errors."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of runs (evaluation/records.py).")
    output: str = Field(min_length=1, description="Folder of the report: report.html and videos/.")
    title: str = Field("", description="Heading of the page; empty: the benchmarks' names.")
    reproduction: str = Field("", description="A reproduction.json, for the ablation charts.")
    roles: dict[str, str] = Field(
        {}, description="Run name -> role, where it is another than in run.json: base, demonstrator, executor, vlm, ..."
    )
    reference: str = Field("", description="Name of the run that others are compared with; empty: that of role base.")
    judge: str = Field("", description="Whose judgements count, where judgements.jsonl has more than one judge's.")
    exact_judge: str = Field(
        "", description="Judge that is taken as right where two judged the same videos; empty: the one that counts."
    )
    expected: int | None = Field(None, ge=1, description="Samples of the whole benchmark; a run with others is told.")
    workers: int = Field(0, ge=0, le=64, description="Threads that make the strips of frames; 0: one a usable core.")

    @field_validator("runs")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({one for one in value if value.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands there twice; every folder once is expected")
        return value
