"""What every stage that asks the VLM can set."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class AskOptions(BaseModel):
    """What every stage that asks the VLM can set."""

    model_config = ConfigDict(extra="forbid")

    prompt_version: int | None = Field(None, ge=1, description="Version of the prompt file; the newest when not given.")
    max_failed_share: float = Field(
        0.03, ge=0, le=1, description="Share of requests that may go unanswered before the stage fails."
    )

    def decisive(self) -> dict[str, Any]:
        """What decides the rows; how many answers may be missing does not."""
        return self.model_dump(exclude={"max_failed_share"})
