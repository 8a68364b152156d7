"""The many hashes of each picture (copies.py), kept beside the tables: a picture is read once, not at each assembly.

About 2 ms a picture: 20,000 take less than a minute the first time. The file is a cache: without it, or when it is
damaged, the pictures are read again.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.assembly.copies import HASHES, hashes_of
from curation.frame_files import check_frame
from storage.files import PathOutsideRoot, confined
from storage.tables import read_meta, whole, write_batches

SCHEMA = pa.schema([("image_sha256", pa.string()), ("hashes", pa.list_(pa.uint64(), HASHES))])
READERS = 4  # threads: decoding and scaling leave the interpreter free
READ_AT_ONCE = 2048


@dataclass(frozen=True)
class Picture:
    """A picture's file below the collection's folder, its SHA-256, and the length of its shorter side in pixels."""

    image: str
    sha256: str
    short_side_px: int


@dataclass(frozen=True)
class PictureHashes:
    """The pictures below `root`, and the file `kept` with the hashes of those that were read before with `version`."""

    root: Path
    kept: Path
    version: str

    def of(self, pictures: Sequence[Picture]) -> tuple[np.ndarray, np.ndarray]:
        """(hashes uint64 [n, HASHES], known bool [n]); a picture that is not there or cannot be read is not known.

        What is read for the first time is kept. Raises DamagedImage for a file with other bytes than its SHA-256 says.
        """
        place = {picture.sha256: row for row, picture in enumerate(pictures)}
        hashes, known = np.zeros((len(pictures), HASHES), np.uint64), np.zeros(len(pictures), bool)
        names, values = self._before()
        for name, row in zip(names, values, strict=True):
            if name in place:
                hashes[place[name]], known[place[name]] = row, True
        missing = [row for name, row in place.items() if not known[row]]
        with ThreadPoolExecutor(READERS) as readers:
            for start in range(0, len(missing), READ_AT_ONCE):
                rows = missing[start : start + READ_AT_ONCE]
                found = readers.map(self._read, [pictures[row] for row in rows])
                for row, value in zip(rows, found, strict=True):
                    if value is not None:
                        hashes[row], known[row] = value, True
        if missing:
            self._keep([pictures[row].sha256 for row in np.flatnonzero(known)], hashes[known])
        for row, picture in enumerate(pictures):  # pictures with the same bytes
            hashes[row], known[row] = hashes[place[picture.sha256]], known[place[picture.sha256]]
        return hashes, known

    def kept_of(self, digests: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Like `of`, of the pictures with these SHA-256, from the file alone."""
        place = {name: row for row, name in enumerate(self._before()[0])}
        rows = np.array([place.get(digest, -1) for digest in digests], np.int64)
        values = self._before()[1]
        hashes = values[rows] if len(values) else np.zeros((len(rows), HASHES), np.uint64)
        return hashes, rows >= 0

    def _before(self) -> tuple[list[str], np.ndarray]:
        if not whole(self.kept) or read_meta(self.kept).get("version") != self.version:
            return [], np.zeros((0, HASHES), np.uint64)
        table = pq.read_table(self.kept, schema=SCHEMA).combine_chunks()
        values = table["hashes"].combine_chunks().flatten().to_numpy().reshape(-1, HASHES)
        return table["image_sha256"].to_pylist(), values

    def _keep(self, digests: list[str], values: np.ndarray) -> None:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.uint64()), HASHES)
        table = pa.table([pa.array(digests, pa.string()), flat], schema=SCHEMA)
        write_batches(self.kept, [table], SCHEMA, {"version": self.version})

    def _read(self, picture: Picture) -> np.ndarray | None:
        import cv2

        # JPEG's own scaling costs less than decoding whole. The shorter side keeps what the hashes are cut from.
        scales = [(4, cv2.IMREAD_REDUCED_GRAYSCALE_4), (2, cv2.IMREAD_REDUCED_GRAYSCALE_2), (1, cv2.IMREAD_GRAYSCALE)]
        flag = next(flag for scale, flag in scales if picture.short_side_px >= 120 * scale or scale == 1)
        try:
            path = confined(self.root, picture.image)
            data = np.fromfile(path, np.uint8)
            check_frame(path, path.stem, hashlib.sha256(data).hexdigest(), picture.sha256)
            luma = cv2.imdecode(data, flag | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
        except (OSError, PathOutsideRoot, cv2.error):
            return None
        return None if luma is None else hashes_of(luma)
