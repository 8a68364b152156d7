"""Weight files on disk: found, checked before anything is loaded, named by their content.

Weights are read from safetensors only; the other formats in circulation (.bin, .pt, .ckpt) are pickles, which can run
code.
"""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from storage.files import PathOutsideRoot, sha256_file
from storage.json_files import read_object

WEIGHTS = ("diffusion_pytorch_model.safetensors", "model.safetensors")
SMALL = 64 * 2**20  # bytes: files up to this are hashed whole
SAMPLES, SAMPLE = 256, 64 * 2**10  # larger ones: their header and this many blocks of this many bytes
HEADER_LIMIT = 100 * 2**20  # the format's own limit


def read_json(path: Path) -> dict:
    """The JSON object in `path`; raises FileNotFoundError, or ValueError naming the file when it is something else."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: the checkpoint is incomplete")
    return read_object(path)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of one part: one file, or the shards that its index names (all there, none outside)."""
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = read_json(index).get("weight_map")
            if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
                raise ValueError(f"{index} has no weight_map of file names")
            files = [_inside(folder, shard) for shard in sorted(set(shards.values()))]
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise FileNotFoundError(f"{folder} lacks {len(missing)} of {len(files)} shards: {', '.join(missing)}")
            return files
        if (folder / name).is_file():
            return [folder / name]
    pickles = [path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".ckpt"}]
    hint = f"; {', '.join(sorted(pickles))} is not read, because it could run code when loaded" if pickles else ""
    raise FileNotFoundError(f"{folder} has no weights: it needs {' or '.join(WEIGHTS)}{hint}")


def _inside(folder: Path, shard: str) -> Path:
    """`shard` in `folder`. Hub caches link their files elsewhere, so the name is judged, not where a link leads."""
    if Path(shard).name != shard:
        raise PathOutsideRoot(f"the index in {folder} names the shard {shard!r}: it must be a plain file name")
    return folder / shard


def check_whole(file: Path) -> None:
    """Raises ValueError when a safetensors file is cut off or something else. Only its header is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(
            f"{file} ({file.stat().st_size} bytes) is not a complete safetensors file: {error}. Fetch it again"
        ) from error


def check_filled(report: Mapping[str, Collection], folder: Path) -> None:
    """Raises ValueError when from_pretrained's loading info names parameters that the weights in `folder` did not fill:
    diffusers and transformers only warn, and leave what is missing random."""
    wrong = {name: sorted(map(str, report[name])) for name in ("missing_keys", "mismatched_keys") if report[name]}
    if wrong:
        shown = "; ".join(f"{name}: {', '.join(keys[:3])} ({len(keys)} in all)" for name, keys in wrong.items())
        raise ValueError(f"the weights in {folder} do not fit its config.json: {shown}")


def fingerprint(file: Path) -> str:
    """Content of a file in hexadecimal: its SHA-256, or a sampled one for large files (see `Checkpoint.content`)."""
    size = file.stat().st_size
    if size <= SMALL:
        return sha256_file(file)
    digest = hashlib.sha256(f"sampled {size}".encode())
    with file.open("rb") as handle:
        if file.suffix == ".safetensors":
            length = int.from_bytes(handle.read(8), "little")
            digest.update(handle.read(min(length, HEADER_LIMIT)))
        for block in range(SAMPLES):
            handle.seek(block * (size - SAMPLE) // (SAMPLES - 1))
            digest.update(handle.read(SAMPLE))
    return digest.hexdigest()
