"""Pairs of other frames that say nearly the same: a VLM that sees little writes one task for many pictures.

The text of a pair is hashed to 64 bits (simhash, Charikar 2002) over its words and pairs of neighbouring words, so that
case, punctuation and spacing count nothing and one other word in fifty changes about 5 bits. Groups are made as those
of pictures (near_duplicates.py): each text is within DISTANCE bits of its group's first, and no two first ones are.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from curation.assembly.near_duplicates import near_duplicates

DISTANCE = 6
WORD = re.compile(r"[^\W_]+")
# Scripts without spaces: each sign is a word.
SIGNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


class TextHasher:
    """Hashes texts; remembers the hash of each word."""

    def __init__(self):
        self._words: dict[str, int] = {}

    def _word(self, word: str) -> int:
        if word not in self._words:
            self._words[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        return self._words[word]

    def hashes(self, texts: Iterable[str]) -> np.ndarray:
        """uint64 [n]; 0 for a text without a word."""
        parts = [np.fromiter(map(self._word, words_of(text)), np.uint64) for text in texts]
        return np.array([simhash(words) for words in parts], np.uint64)


def words_of(text: str) -> list[str]:
    spaced = SIGNS.sub(r" \g<0> ", unicodedata.normalize("NFKC", text).casefold())
    return WORD.findall(spaced)


def simhash(words: np.ndarray) -> int:
    """64 bits of a text's words (uint64 [n]): each bit as in most of its distinct words and neighbouring pairs."""
    if not len(words):
        return 0
    pairs = (words[:-1] * np.uint64(0x9E3779B97F4A7C15)) ^ (words[1:] * np.uint64(0xC2B2AE3D27D4EB4F))
    features = np.unique(np.concatenate([words, pairs]))
    bits = np.unpackbits(features.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    most = 2 * bits.sum(0, dtype=np.int64) > len(features)
    return int.from_bytes(np.packbits(most).tobytes(), "big")


def text_copies(hashes: np.ndarray, frame_of: np.ndarray, distance: int = DISTANCE) -> tuple[np.ndarray, ...]:
    """(copies, place, first) of each pair, int32 [n].

    How many other frames have a pair that says nearly the same, how many of them come before this pair's frame, and the
    first of these frames. `hashes`: uint64 [n]; `frame_of`: int [n], ascending.
    """
    count = len(hashes)
    if not count:
        return (np.zeros(0, np.int32),) * 3
    _, group = near_duplicates(hashes, np.arange(count), distance)
    keys = group * (int(frame_of[-1]) + 1) + frame_of  # a group's frames, each once
    distinct, inverse = np.unique(keys, return_inverse=True)
    group_of = distinct // (int(frame_of[-1]) + 1)
    _, first, sizes = np.unique(group_of, return_index=True, return_counts=True)
    place = np.arange(len(distinct)) - np.repeat(first, sizes)
    frame = distinct % (int(frame_of[-1]) + 1)
    found = np.repeat(sizes, sizes) - 1, place, np.repeat(frame[first], sizes)
    return tuple(values[inverse].astype(np.int32) for values in found)
