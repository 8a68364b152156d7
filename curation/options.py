"""What the settings of all stages have in common, and those of the stages that ask the VLM."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Settings: unknown ones are refused, and none changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    incidental: ClassVar[tuple[str, ...]] = ()  # the options that decide no row, such as how fast it is made

    def decisive(self) -> dict[str, Any]:
        """The options that decide the rows, by name."""
        return self.model_dump(exclude=set(self.incidental))


class AskOptions(Options):
    """What every stage that asks the VLM can set."""

    incidental = ("max_failed_share", "max_malformed_share")

    prompt_version: int | None = Field(None, ge=1, description="Version of the prompt file. null: the newest.")
    max_failed_share: float = Field(
        0.03, ge=0, le=1, description="Share of requests that may fail. With more the stage fails."
    )
    max_malformed_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of answers that may be cut, empty or wrong JSON. With more the stage fails. They are "
        "counted over the run, from 50 answers on; from 5 on if none can be used.",
    )
