"""CLIP neighbours: pairs of frames whose embeddings have at least a given cosine. Exact, in tiles of bounded memory.

Comparing all pairs is quadratic: about 5 s of one core for the paper's 20,000 images of 768 numbers. The products are
made exact, so that the result hangs on no library, thread count or tile: embeddings are rounded to whole numbers of
length SCALE, for which every partial sum of a product stays below 2**24 and float32 loses nothing. The rounding moves a
cosine by less than 1e-3.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.near_duplicates import Components
from storage.full_disk import naming

SCALE = 4000
TILE = 2048


class Embedded:
    """Rounded embeddings by frame position: int16 [n, D], in memory or mapped; all zeros where a frame has none."""

    def __init__(self, vectors: np.ndarray, similarity: float):
        self._vectors = vectors
        self._least = np.float32(similarity * SCALE * SCALE)

    def similar(self, frame: int, others: np.ndarray) -> np.ndarray:
        """bool [m]: whether each of `others` (int [m]) is a neighbour of `frame`."""
        one = self._vectors[frame].astype(np.float32)
        parts = [self._vectors[others[at : at + TILE]].astype(np.float32) @ one for at in range(0, len(others), TILE)]
        return np.concatenate(parts) >= self._least if parts else np.zeros(0, bool)

    def join(self, components: Components, frames: np.ndarray) -> None:
        """Joins every two members of `components` whose frames (int [members]) are neighbours."""
        present = np.flatnonzero([self._vectors[frame].any() for frame in frames])
        for top in range(0, len(present), TILE):
            rows = present[top : top + TILE]
            ones = self._vectors[frames[rows]].astype(np.float32)
            for left in range(top, len(present), TILE):
                columns = present[left : left + TILE]
                others = self._vectors[frames[columns]].astype(np.float32)
                one, other = np.nonzero(ones @ others.T >= self._least)
                apart = rows[one] < columns[other]
                components.join(rows[one[apart]], columns[other[apart]])


def read_embeddings(tables: Iterable[Path], frame_ids: pa.Array, scratch: Path) -> np.ndarray | None:
    """int16 [n, D] for `frame_ids`, mapped from the file `scratch`; None when no table has an embedding for them.

    Raises ValueError for a vector that is not of length 1 (within 1 %) or of another dimension than the rest.
    """
    vectors = None
    for path in tables:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=TILE, columns=["frame_id", "embedding"]):
                rows = pc.index_in(batch["frame_id"], frame_ids)
                given = batch.append_column("row", rows).filter(
                    pc.and_(pc.is_valid(rows), pc.is_valid(batch["embedding"]))
                )
                if not given.num_rows:
                    continue
                lengths = pc.unique(pc.list_value_length(given["embedding"])).to_pylist()
                size = lengths[0] if vectors is None else vectors.shape[1]
                if lengths != [size]:
                    raise ValueError(f"{path.name}: embeddings of {lengths} numbers, {size} are expected")
                if vectors is None:
                    vectors = np.lib.format.open_memmap(scratch, "w+", np.int16, (len(frame_ids), size))
                    with naming(scratch):
                        _reserve(scratch)
                values = given["embedding"].flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
                vectors[given["row"].to_numpy()] = _rounded(values.astype(np.float64), given["frame_id"])
    return vectors


def _reserve(file: Path) -> None:
    """Takes the space of a mapped file: a disk that is full when a page of it is written would kill the process."""
    with file.open("r+b") as handle:
        os.posix_fallocate(handle.fileno(), 0, file.stat().st_size)


def _rounded(values: np.ndarray, names: pa.Array) -> np.ndarray:
    lengths = np.linalg.norm(values, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= 0.01))
    if len(wrong):
        raise ValueError(f"embedding of {names[wrong[0]]} has length {lengths[wrong[0]]:.3f}: 1 is expected")
    return np.round(values / lengths[:, None] * SCALE).astype(np.int16)
