"""What decides a scoring."""

from pydantic import Field, model_validator

from storage.options import Options


class ScoreOptions(Options):
    """Which runs, by which judge, against which of them. Unknown names are errors."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of judged runs (evaluation/records.py).")
    judge: str = Field("", description="Judge whose judgements count, if a run has several.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark. Other runs are refused, except exempt ones."
    )
    reference: str = Field(
        "", description="Folder among `runs` that the others are compared with. Empty: no comparison."
    )
    output: str = Field("", description="Folder for the comparisons and tables.")

    @model_validator(mode="after")
    def _fits(self) -> "ScoreOptions":
        if self.reference and (self.reference not in self.runs or not self.output):
            raise ValueError(f"reference {self.reference!r}: choose one of `runs`, and set `output` for its tables")
        return self
