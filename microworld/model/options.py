"""Options of the base model's pre-training; apart from the program, which loads torch."""

from pydantic import Field, model_validator

from storage.options import Options


class PretrainOptions(Options):
    """How the base model is made."""

    out: str = Field("microworld/checkpoint", min_length=1, description="Folder of the checkpoint, in diffusers form.")
    seed: int = Field(0, ge=0, description="Of weights, scenes and batches.")
    clips: int = Field(16_000, ge=100, description="Clips drawn, for the VAE and for each stage.")
    batch: int = Field(32, ge=1, description="Clips a step.")
    vae_steps: int = Field(1600, ge=1, description="Of the VAE.")
    decoder_steps: int = Field(3800, ge=1, description="Then of its decoder alone.")
    language_steps: int = Field(1300, ge=1, description="The text encoder, on captions and on tasks.")
    language_loose_share: float = Field(0.6, ge=0, le=1, description="Share of loose and terse ones among captions.")
    broad_steps: int = Field(3000, ge=0, description="Flow matching on finished clips at a constant rate; 0: none.")
    settled_steps: int = Field(1100, ge=0, description="Then with a rate that falls to 0 in the end.")
    filmed_steps: int = Field(300, ge=0, description="Then on clips of which half end before the thing is done.")
    keep_every: int = Field(0, ge=0, description="Keeps the average each so many steps, in OUT-STAGE-N; 0: never.")
    vae_from: str = Field("", description="A checkpoint whose VAE is taken as it is; empty: one is trained.")
    go_on_from: str = Field(
        "",
        description="A checkpoint whose parts flow matching goes on from; empty: all is made.",
    )
    held_out: int = Field(200, ge=1, description="Held-out tasks it is scored on.")

    @model_validator(mode="after")
    def _one_source(self) -> "PretrainOptions":
        if self.go_on_from and self.vae_from:
            raise ValueError(f"go_on_from {self.go_on_from} brings its VAE: vae_from {self.vae_from} is left out then")
        return self
