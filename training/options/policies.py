"""Options of what is trained."""

from pydantic import Field

from storage.options import Options


class LoRAOptions(Options):
    """What is trained of the model."""

    rank: int = Field(32, ge=1, le=1024, description="Rank of each adapter.")
    alpha: float = Field(64.0, gt=0, description="The adapter's output is scaled by alpha / rank.")
    targets: tuple[str, ...] = Field((), description="Names of linear layers. Empty list: the model's default.")
    whole: tuple[str, ...] = Field(
        (),
        description="Names of layers or parameters of the denoiser that are trained whole besides the LoRA, e.g. a "
        "robot model's action encoder. Each policy has its own copy. The base stays unchanged.",
    )
