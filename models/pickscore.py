"""PickScore: how well people would like a picture for a prompt, by a CLIP ViT-H/14 trained on their choices.

    raw = exp(logit_scale) * cos(image embedding, prompt embedding)

(github: yuvalkirstain/PickScore). Values near 0.76, as the paper's curves have them, are raw / 26, the scale that
Flow-GRPO's reward code divides by. The prompt is cut at 77 tokens, CLIP's length.

Weights are safetensors only and are never downloaded unasked: a Hub id is looked up in the Hub's own cache.
"""

import hashlib
import re
from pathlib import Path

import numpy as np

from models.weights import check_filled, check_whole, fingerprint, weight_files

WEIGHTS = "yuvalkirstain/PickScore_v1"
PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
SCALE = 26.0
TOKENS = 77
DECIMALS = 4  # of the raw score: another batch or thread count moves the sixth
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SETTINGS = ("*.json", "*.txt")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


class WeightsAbsent(RuntimeError):
    """The model is not on this machine. PickScore is then left out; nothing else depends on it."""


class PickScore:
    """PickScore through transformers' own CLIPModel and CLIPProcessor.

    `weights` and `processor` are folders, or Hub ids that are in the Hub's cache (with `download`: that are fetched).
    An empty `processor` stands for the weights' own folder. `device` is a torch device, by default CUDA where there is
    one; everything is float32. `name` identifies the files' content. Raises WeightsAbsent when a model is not here, and
    ValueError or OSError for one that is damaged or is no CLIP.
    """

    def __init__(
        self,
        weights: str = WEIGHTS,
        processor: str = PROCESSOR,
        *,
        download: bool = False,
        device: str | None = None,
        batch_size: int = 32,
    ):
        folder = found(weights, (*SETTINGS, "*.safetensors"), download)
        settings = found(processor, SETTINGS, download) if processor else folder
        import torch
        from transformers import CLIPModel, CLIPProcessor

        if not any((settings / name).is_file() for name in PROCESSOR_FILES):
            raise FileNotFoundError(f"{settings} has no {' or '.join(PROCESSOR_FILES)}: give a CLIPProcessor")
        files = weight_files(folder)
        for file in files:
            check_whole(file)
        model, report = CLIPModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
        check_filled(report, folder)
        self._processor = CLIPProcessor.from_pretrained(settings, local_files_only=True)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model = model.eval().requires_grad_(False).to(self.device)
        self.batch_size = batch_size
        self.name = f"pickscore:{_digest([*files, *_settings(folder), *_settings(settings)])[:12]}"

    def score(self, frames: np.ndarray, prompt: str) -> np.ndarray:
        """Raw scores float64 [N] of uint8 [N, H, W, 3] RGB frames under one prompt, to four decimals.

        Raises ValueError for other frames.
        """
        import torch

        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
            raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}: give uint8 [N, H, W, 3]")
        with torch.inference_mode():
            text = self._tokenized(prompt, padding="max_length", truncation=True, return_tensors="pt").to(self.device)
            towards = _unit(self._model.get_text_features(**text).pooler_output)
            scores = []
            for first in range(0, len(frames), self.batch_size):
                pixels = self._processor.image_processor(
                    images=list(frames[first : first + self.batch_size]),
                    input_data_format="channels_last",
                    return_tensors="pt",
                ).to(self.device)
                images = _unit(self._model.get_image_features(**pixels).pooler_output)
                scores.append(self._model.logit_scale.exp() * (images @ towards[0]))
        return np.round(torch.cat(scores).cpu().numpy().astype(np.float64), DECIMALS)

    def tokens(self, prompt: str) -> int:
        """Tokens of the whole prompt, its start and end among them; what is above 77 is cut."""
        return len(self._tokenized(prompt, truncation=False)["input_ids"])

    def _tokenized(self, prompt: str, **how):
        return self._processor.tokenizer(prompt, max_length=TOKENS, **how)


def found(where: str, wanted: tuple[str, ...], download: bool) -> Path:
    """The folder of a model: a folder, or a Hub id's snapshot. Raises WeightsAbsent, saying what would help."""
    folder = Path(where).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(where):
        raise WeightsAbsent(f"no folder {where!r}: give a folder or a Hub id owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(where, allow_patterns=wanted, local_files_only=not download))
    except LocalEntryNotFoundError as error:
        help_ = "the Hub could not be reached" if download else "give a folder, or allow its download (several GB)"
        raise WeightsAbsent(f"{where} is not in the Hub's cache here: {help_}") from error
    except HfHubHTTPError as error:
        raise WeightsAbsent(f"{where} could not be downloaded from the Hub: {error}") from error


def _unit(features):
    return features / features.norm(dim=-1, keepdim=True)


def _settings(folder: Path) -> list[Path]:
    return sorted(path for pattern in SETTINGS for path in folder.glob(pattern))


def _digest(files: list[Path]) -> str:
    lines = sorted({f"{file.name} {fingerprint(file)}" for file in files})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
