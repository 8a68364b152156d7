"""Pictures are read once; what was kept of them is not trusted when it cannot be."""

import hashlib

import cv2
import numpy as np
import pytest

from curation.assembly.copies import HASHES, apart, hashes_of
from curation.assembly.picture_hashes import Picture, PictureHashes
from curation.frame_files import DamagedImage
from tests.curation.altered import scene


def files(folder, count: int, height: int = 480, width: int = 640) -> list[Picture]:
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        data = cv2.imencode(".jpg", scene(rng, height, width))[1].tobytes()
        (folder / f"{number}.jpg").write_bytes(data)
        made.append(Picture(f"{number}.jpg", hashlib.sha256(data).hexdigest(), min(height, width)))
    return made


@pytest.fixture
def hashes(tmp_path) -> PictureHashes:
    return PictureHashes(tmp_path, tmp_path / "kept.parquet", "1")


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The pictures that were read."""
    seen, read = [], PictureHashes._read
    monkeypatch.setattr(PictureHashes, "_read", lambda self, one: seen.append(one.image) or read(self, one))
    return seen


def test_each_picture_is_read_once(tmp_path, hashes, reads):
    pictures = files(tmp_path, 5)
    first, known = hashes.of(pictures[:4])
    assert sorted(reads) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"] and known.all()
    reads.clear()
    second, _ = hashes.of([pictures[4], *pictures[:4]])
    assert reads == ["4.jpg"] and (second[1:] == first).all()
    kept, known = hashes.kept_of([pictures[2].sha256, "unknown"])
    assert (kept[0] == first[2]).all() and known.tolist() == [True, False]


def test_other_code_reads_them_again(tmp_path, hashes, reads):
    hashes.of(files(tmp_path, 2))
    reads.clear()
    newer = PictureHashes(tmp_path, hashes.kept, "2")
    assert not newer.kept_of([files(tmp_path, 2)[0].sha256])[1].any()
    newer.of(files(tmp_path, 2))
    assert len(reads) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: b"", lambda data: data[:-40] + b"x" * 40])
def test_a_damaged_file_is_made_again(tmp_path, hashes, reads, damage):
    pictures = files(tmp_path, 3)
    before, _ = hashes.of(pictures)
    hashes.kept.write_bytes(damage(hashes.kept.read_bytes()))
    reads.clear()
    after, known = hashes.of(pictures)
    assert len(reads) == 3 and known.all() and (after == before).all()


def test_pictures_that_cannot_be_read_are_not_known_and_are_tried_again(tmp_path, hashes):
    pictures = files(tmp_path, 4)
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "0.jpg").unlink()
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.jpg").touch()
    outside = Picture("../../etc/passwd", "f" * 64, 100)
    none = Picture("none.jpg", hashlib.sha256(b"no picture").hexdigest(), 100)
    empty = Picture("empty.jpg", hashlib.sha256(b"").hexdigest(), 100)
    assert hashes.of([*pictures, outside, none, empty])[1].tolist() == [False, False, True, True, False, False, False]
    (tmp_path / "1.jpg").write_bytes(whole)
    assert hashes.of(pictures)[1].tolist() == [False, True, True, True]


def test_a_changed_picture_never_gives_the_hashes_of_the_one_before(tmp_path, hashes):
    """They would be kept under its name, and copies of it would not be found."""
    pictures = files(tmp_path, 3)
    sound = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes((tmp_path / "2.jpg").read_bytes())
    with pytest.raises(DamagedImage, match=r"1\.jpg is damaged"):
        hashes.of(pictures)
    assert not hashes.kept_of([pictures[1].sha256])[1].any()
    (tmp_path / "1.jpg").write_bytes(sound)
    found, known = hashes.of(pictures)
    assert known.all() and (found[1] != found[2]).any()


def test_pictures_with_the_same_bytes_have_the_same_hashes(tmp_path, hashes):
    (one,) = files(tmp_path, 1)
    found, known = hashes.of([one, one])
    assert known.all() and (found[0] == found[1]).all() and found.shape == (2, HASHES)
    assert hashes.of([])[0].shape == (0, HASHES)


@pytest.mark.parametrize("height", [120, 250, 480, 720, 1080])
def test_the_jpegs_own_scaling_moves_few_bits(tmp_path, hashes, height):
    (picture,) = files(tmp_path, 1, height, height * 16 // 9)
    whole = hashes_of(cv2.imread(str(tmp_path / picture.image), cv2.IMREAD_GRAYSCALE))
    (scaled,), _ = hashes.of([picture])
    assert apart(whole, scaled[None])[0][0] == 0 and np.bitwise_count(whole ^ scaled).max() <= 4
