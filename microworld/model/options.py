"""Options of the base model's pre-training; apart from the program, which loads torch."""

from pydantic import BaseModel, ConfigDict, Field


class Stage(BaseModel):
    """A stage of flow matching, on clips of its own. Over the last share `falling` of its steps the rate falls to 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z]+$")
    steps: int = Field(ge=1)
    loose_share: float = Field(ge=0, le=1, description="Share of loose and terse captions; the rest are D and brief D.")
    terse: bool = Field(True, description="Whether terse ones are among them, halves each.")
    unfinished_share: float = Field(0.0, ge=0, le=1, description="Share of clips that end before the thing is done.")
    rate: float = Field(1.0, gt=0, description="Times the usual rates.")
    falling: float = Field(0.0, ge=0, le=1)


STAGES = (
    Stage(name="broad", steps=3000, loose_share=0.6),
    Stage(name="settled", steps=1100, loose_share=0.8, terse=False, falling=0.7),
    Stage(name="filmed", steps=300, loose_share=0.4, unfinished_share=0.5, rate=0.4, falling=1.0),
)


class PretrainOptions(BaseModel):
    """How the base model is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: str = Field("microworld/checkpoint", min_length=1, description="Folder of the checkpoint, in diffusers form.")
    seed: int = Field(0, ge=0, description="Of weights, scenes and batches.")
    clips: int = Field(16_000, ge=100, description="Clips drawn, for the VAE and for each stage.")
    batch: int = Field(32, ge=1)
    vae_steps: int = Field(1600, ge=1)
    decoder_steps: int = Field(3800, ge=1)
    language_steps: int = Field(1300, ge=1, description="The text encoder, on captions and on tasks.")
    language_loose_share: float = Field(0.6, ge=0, le=1, description="Share of loose and terse ones among captions.")
    flow: tuple[Stage, ...] = Field(STAGES, min_length=1, description="The stages of flow matching, in their order.")
    keep_every: int = Field(0, ge=0, description="Keeps the average each so many steps, in OUT-STAGE-N; 0: never.")
    vae_from: str = Field("", description="A checkpoint whose VAE is taken as it is; empty: one is trained.")
    go_on_from: str = Field("", description="A checkpoint that the stages of `flow` go on from; empty: all is made.")
    held_out: int = Field(200, ge=1, description="Held-out tasks it is scored on.")
