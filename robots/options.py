"""What a recipe says about a source of robot episodes."""

from pydantic import Field, field_validator, model_validator

from robots.contracts import contract_of
from robots.contracts.contract import LayoutName
from robots.rules import RULES
from storage.options import Options


class RobotSource(Options):
    """Episodes of one robot in one layout."""

    layout: LayoutName = Field(
        description="How the files lie: Ctrl-World's folders, a LeRobot data set (v2.1 or v3.0), or the microworld's."
    )
    path: str = Field(description="A folder, or of a LeRobot data set also a Hub id owner/name.")
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub id; None: its main branch.")
    robot: str = Field(description="Name of the robot's action contract: droid, fetch, microworld or your own.")
    views: dict[str, str] = Field(
        default_factory=dict,
        description="View -> the source's name of its camera, in the model's order, where they differ from the "
        "contract's. A LeRobot camera is named by its feature, observation.images.top; Ctrl-World's by number.",
    )
    fps: float | None = Field(
        None, gt=0, description="Rows a second, where the source does not say it (Ctrl-World: 5 unless set)."
    )
    min_frames: int = Field(1, ge=1, description="Frames that a rollout needs: shorter episodes are refused.")
    text: str = Field("", description="Instruction of episodes that have none of their own.")
    scene: str = Field(
        "", description="Key of an annotation, or column of LeRobot's episode table, that names the source scene."
    )
    val_share: float = Field(
        0.1, ge=0, lt=1, description="Share of episodes held out by hash, where the source has no split of its own."
    )
    refuse: tuple[str, ...] = Field(
        (), description="Rules (robots/rules.py) that refuse an episode where they would only warn, such as idle."
    )

    @model_validator(mode="after")
    def _has_a_contract(self) -> "RobotSource":
        contract_of(self.robot).keys_of(self.layout)  # which says what is there
        if self.views and len(set(self.views.values())) < len(self.views):
            raise ValueError(f"views name one camera twice ({', '.join(self.views.values())}): a view has its own")
        if self.revision is not None and self.layout != "lerobot":
            raise ValueError(f"revision {self.revision!r} is of a Hub id, and {self.layout} is read from a folder")
        return self

    @field_validator("refuse")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in RULES]:
            raise ValueError(f"no rule {', '.join(map(repr, unknown))}: the rules are {', '.join(RULES)}")
        return names
