"""What decides a scoring."""

from pydantic import Field, model_validator

from storage.options import Options


class ScoreOptions(Options):
    """Which runs, by which judge, against which of them. Unknown names are errors."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of judged runs (evaluation/records.py).")
    judge: str = Field("", description="Whose judgements count, where a run has more than one judge's.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark; a run over others is refused, unless it stands aside."
    )
    reference: str = Field(
        "", description="Folder among `runs` that the others are compared with; none: no comparison."
    )
    output: str = Field("", description="Folder for the comparisons and tables.")

    @model_validator(mode="after")
    def _fits(self) -> "ScoreOptions":
        if self.reference and (self.reference not in self.runs or not self.output):
            raise ValueError(f"reference {self.reference!r}: one of `runs` is expected, and `output` for what it gives")
        return self
