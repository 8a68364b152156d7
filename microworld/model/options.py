"""Options of the base model's pre-training; apart from the program, which loads torch."""

from pydantic import Field, model_validator

from storage.options import Options


class PretrainOptions(Options):
    """How the base model is made."""

    out: str = Field("microworld/checkpoint", min_length=1, description="Folder of the checkpoint, in diffusers form.")
    seed: int = Field(0, ge=0, description="Seed of weights, scenes and batches.")
    clips: int = Field(16_000, ge=100, description="Clips drawn, for the VAE and for each stage.")
    batch: int = Field(32, ge=1, description="Clips in a training step.")
    vae_steps: int = Field(1600, ge=1, description="Steps of the VAE.")
    decoder_steps: int = Field(3800, ge=1, description="Steps after that of its decoder alone.")
    language_steps: int = Field(1300, ge=1, description="Steps of the text encoder, on captions and tasks.")
    language_loose_share: float = Field(0.6, ge=0, le=1, description="Share of loose and terse captions.")
    broad_steps: int = Field(3000, ge=0, description="Flow matching steps on finished clips, at a constant rate.")
    settled_steps: int = Field(1100, ge=0, description="Steps after that with a rate that falls to 0.")
    filmed_steps: int = Field(300, ge=0, description="Steps after that on clips, half of which stop before the end.")
    keep_every: int = Field(0, ge=0, description="Steps between kept averages, in OUT-STAGE-N. 0: keep none.")
    vae_from: str = Field("", description="Checkpoint whose VAE is used unchanged. Empty: train a VAE.")
    go_on_from: str = Field(
        "",
        description="Checkpoint that flow matching continues from. Empty: train everything.",
    )
    held_out: int = Field(200, ge=1, description="Held-out tasks to score the model on.")

    @model_validator(mode="after")
    def _one_source(self) -> "PretrainOptions":
        if self.go_on_from and self.vae_from:
            raise ValueError(f"go_on_from {self.go_on_from} brings its own VAE: remove vae_from {self.vae_from}")
        return self
