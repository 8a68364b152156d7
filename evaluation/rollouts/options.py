"""What decides the numbers of a rollout: how frames are compared."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from storage.files import sha256_file
from storage.options import Options

SIGMA_OF_KERNEL = 1.5 / 11  # SSIM's gaussian keeps its shape when a small frame shrinks the kernel
NO_BACKBONE = "lpips: off, no backbone path given"


class MetricSettings(Options):
    """PSNR, SSIM and LPIPS of frames. Numbers under other settings are not comparable."""

    lpips_backbone: str = Field(
        "",
        description="torchvision's file of LPIPS's backbone (alexnet-owt-7be5be79.pth, vgg16-397923af.pth). Nothing is "
        "downloaded. Empty: LPIPS is off, and every report says so.",
    )
    lpips_net: Literal["alex", "vgg"] = Field("alex", description="Network of LPIPS.")
    ssim_kernel: int = Field(
        11, ge=3, le=33, description="Side of SSIM's gaussian window in pixels, odd; sigma is 1.5 for 11."
    )
    psnr_cap: float = Field(60.0, gt=0, description="Most PSNR in dB: identical frames have no finite one.")
    skip_first: bool = Field(
        True, description="The first frame of a chunk, which is the current one, is not scored. false: all are."
    )

    @model_validator(mode="after")
    def _odd(self) -> "MetricSettings":
        if self.ssim_kernel % 2 == 0:
            raise ValueError(f"ssim_kernel is {self.ssim_kernel}: it must be odd")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that are on."""
        return ("psnr", "ssim", "lpips") if self.lpips_backbone else ("psnr", "ssim")

    @property
    def off(self) -> str:
        """What a report says of the term that is off, "" where all are on."""
        return "" if self.lpips_backbone else NO_BACKBONE

    def kernel(self, height: int, width: int) -> int:
        """SSIM's window for frames of this size: `ssim_kernel`, or the largest odd number that fits."""
        least = min(self.ssim_kernel, height, width)
        return least if least % 2 else least - 1

    def record(self, height: int, width: int) -> dict[str, Any]:
        """All that makes numbers of frames of this size comparable. `lpips`: what it is made of, or that it is off.

        Raises OSError where the backbone's file cannot be read.
        """
        kernel = self.kernel(height, width)
        return {
            "height": height,
            "width": width,
            "colours": "RGB",
            "psnr": {"cap_db": self.psnr_cap, "data_range": 255},
            "ssim": {
                "kernel": kernel,
                "kernel_asked": self.ssim_kernel,
                "sigma": kernel * SIGMA_OF_KERNEL,
                "data_range": 1.0,
            },
            "lpips": self._lpips_record(),
            "skip_first": self.skip_first,
        }

    def _lpips_record(self) -> dict[str, Any] | str:
        if not self.lpips_backbone:
            return NO_BACKBONE
        backbone = sha256_file(Path(self.lpips_backbone))
        return {"net": self.lpips_net, "version": "0.1", "range": [-1, 1], "backbone_sha256": backbone}


def is_wrist(view: str) -> bool:
    """Whether a view's name says that its camera moves with the gripper."""
    return "wrist" in view.lower()
