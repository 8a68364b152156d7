"""CLIP image embeddings and the LAION aesthetic score.

The score is that of the "improved aesthetic predictor" (github: christophschuhmann/improved-aesthetic-predictor, linear
variant): a linear head on the L2-normalised image embedding of OpenAI's CLIP ViT-L/14, trained to predict people's
ratings from 1 to 10. OpenAI trained its CLIP with quick-GELU, x * sigmoid(1.702 x). With the usual GELU the same
weights load without complaint and give other scores, so the activation is forced here, not left to a model's name.

Weights are safetensors only: the other formats in circulation (.pth, .pt, .bin) are pickles, which can run code when
they are loaded.
"""

import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from storage.files import sha256_file

ARCHITECTURE = "ViT-L-14-quickgelu"
CLIP_FILE = "open_clip_model.safetensors"  # the name under which open_clip checkpoints lie on the Hub
HEAD_FILE = "model.safetensors"
PICKLES = {".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle"}
HEAD_LAYERS = (0, 2, 4, 6, 7)  # the places between them were dropout: 768-1024-128-64-16-1
HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")
# The same image beside other images in a batch differs in the sixth decimal or so; rounding keeps a re-run's cut where
# it was, and is far below what the score means.
SCORE_DECIMALS = 4


def weights_file(where: str, default_name: str) -> Path:
    """The safetensors file at `where`: a file, a folder with `default_name`, or a Hub id `owner/name[@revision]`.

    A Hub id is downloaded into the Hub's own cache. Raises ValueError for another format, FileNotFoundError when there
    is nothing at `where`, and huggingface_hub's errors when a download fails.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        path, where = path / default_name, str(path / default_name)
    if path.suffix in PICKLES or (path.is_file() and path.suffix != ".safetensors"):
        raise ValueError(
            f"{where!r} is not a .safetensors file, and other formats can run code when they are loaded. Convert it "
            "once where you trust it: safetensors.torch.save_file(torch.load(old, weights_only=True), new)"
        )
    if path.is_file():
        return path
    match = HUB_ID.fullmatch(where)
    if match and path.suffix != ".safetensors":
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(match["repo"], default_name, revision=match["revision"]))
    raise FileNotFoundError(
        f"no weights at {where!r}: a .safetensors file, a folder with {default_name} or a Hub id owner/name is expected"
    )


def collapse_head(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, float]:
    """A stack of linear layers without activations as one: (weight float64 [D], bias).

    `layers` are (weight [out, in], bias [out]) in the order they are applied, the last with out = 1.
    W_n(... W_1 x + b_1 ...) + b_n = (W_n ... W_1) x + (W_n ... W_2 b_1 + ... + b_n), exactly.
    """
    weight, bias = (array.astype(np.float64) for array in layers[0])
    for next_weight, next_bias in layers[1:]:
        weight = next_weight.astype(np.float64) @ weight
        bias = next_weight.astype(np.float64) @ bias + next_bias
    if weight.shape[0] != 1:
        raise ValueError(f"the head ends in {weight.shape[0]} numbers: one score is expected")
    return weight[0], float(bias[0])


def load_head(path: Path) -> tuple[np.ndarray, float]:
    """The aesthetic head in `path` (safetensors, state keys layers.{0,2,4,6,7}.{weight,bias}), collapsed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        state = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    expected = {f"layers.{index}.{part}" for index in HEAD_LAYERS for part in ("weight", "bias")}
    if state.keys() != expected:
        raise ValueError(f"{path} holds {sorted(state)}: the linear aesthetic head with {sorted(expected)} is expected")
    return collapse_head([(state[f"layers.{index}.weight"], state[f"layers.{index}.bias"]) for index in HEAD_LAYERS])


class ClipAesthetics:
    """OpenAI CLIP ViT-L/14 in open_clip with the LAION linear head.

    `clip_weights` and `head_weights` are what `weights_file` takes. `device` is a torch device, by default CUDA where
    there is one. `architecture` is the name of an open_clip config; the published head fits the default only. The text
    tower is dropped after loading. `name` identifies architecture and weights, and is kept in every row. Raises
    ValueError when weights, head and architecture do not fit.
    """

    def __init__(
        self,
        clip_weights: str,
        head_weights: str,
        device: str | None = None,
        batch_size: int = 64,
        architecture: str = ARCHITECTURE,
    ):
        import open_clip
        import torch
        from safetensors import SafetensorError

        clip_path, head_path = weights_file(clip_weights, CLIP_FILE), weights_file(head_weights, HEAD_FILE)
        self._weight, self._bias = load_head(head_path)
        try:
            model = open_clip.create_model(architecture, pretrained=str(clip_path.absolute()), force_quick_gelu=True)
        except (SafetensorError, RuntimeError) as error:  # RuntimeError: torch's for keys or shapes that do not fit
            raise ValueError(f"{clip_path} does not hold open_clip weights of {architecture}: {error}") from error
        if self._weight.shape != (model.visual.output_dim,):
            raise ValueError(
                f"{head_path} takes {self._weight.size} numbers, {architecture} embeds into {model.visual.output_dim}"
            )
        self.name = f"clip:{architecture}:{sha256_file(clip_path)[:12]}:{sha256_file(head_path)[:12]}"
        self.batch_size = batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.visual = model.visual.to(self.device).eval()
        cfg = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
        self._preprocess = open_clip.transform.image_transform_v2(cfg, is_train=False)

    def score(self, images: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """(scores float64 [N], L2-normalised embeddings float32 [N, D]) of encoded JPEG or PNG images.

        An image that does not decode has NaN in both. Preprocessing is open_clip's own for OpenAI weights: the short
        side to 224 px (bicubic), centre crop, OpenAI's mean and standard deviation.
        """
        scores = np.full(len(images), np.nan)
        embeddings = np.full((len(images), self._weight.size), np.nan, np.float32)
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(images), self.batch_size):
                batch = list(pool.map(self._tensor, images[start : start + self.batch_size]))
                good = [start + offset for offset, tensor in enumerate(batch) if tensor is not None]
                if good:
                    embeddings[good] = self._embed([tensor for tensor in batch if tensor is not None])
        scores = np.round(embeddings.astype(np.float64) @ self._weight + self._bias, SCORE_DECIMALS)
        return scores, embeddings

    def _tensor(self, data: bytes):
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                return self._preprocess(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what PIL raises for broken files
            return None

    def _embed(self, tensors: list) -> np.ndarray:
        import torch

        with torch.inference_mode():
            features = self.visual(torch.stack(tensors).to(self.device))
            return torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
