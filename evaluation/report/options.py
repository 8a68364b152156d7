"""What a report is made of."""

from pydantic import Field, field_validator

from storage.options import Options


class ReportOptions(Options):
    """Which runs, compared with which of them, and where the page goes. Unknown names are errors."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of runs (evaluation/records.py).")
    output: str = Field(min_length=1, description="Folder of the report: report.html and videos/.")
    title: str = Field("", description="Heading of the page. Empty: the benchmarks' names.")
    reproduction: str = Field("", description="A reproduction.json, for the ablation charts.")
    roles: dict[str, str] = Field(
        {}, description="Role by run name, to replace that of run.json: base, demonstrator, executor, vlm, ..."
    )
    reference: str = Field("", description="Run that others are compared with. Empty: the one of role base.")
    judge: str = Field("", description="Judge whose judgements count, if judgements.jsonl has several.")
    exact_judge: str = Field(
        "", description="Judge taken as right when judges are compared. Empty: the one that counts."
    )
    expected: int | None = Field(None, ge=1, description="Samples of the whole benchmark. Other runs are marked.")
    workers: int = Field(0, ge=0, le=64, description="Threads that make the strips of frames. 0: one for each core.")

    @field_validator("runs")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({one for one in value if value.count(one) > 1})
        if twice:
            raise ValueError(f"runs {', '.join(twice)} appear twice: give each folder once")
        return value
