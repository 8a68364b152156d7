"""Altered copies of a picture's luma (uint8 [H, W]), as uploads and edits make them; scenes that look much alike."""

from collections.abc import Callable

import cv2
import numpy as np


def jpeg(luma: np.ndarray, quality: int = 85) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def cropped(luma: np.ndarray, share: float, across: float = 0.5, down: float = 0.5) -> np.ndarray:
    """A part of `share` of each side, enlarged again; `across` and `down` say where what is cut off lay."""
    height, width = luma.shape
    h, w = round(height * share), round(width * share)
    top, left = round((height - h) * down), round((width - w) * across)
    return cv2.resize(luma[top : top + h, left : left + w], (width, height), interpolation=cv2.INTER_LINEAR)


def letterboxed(luma: np.ndarray, share: float = 0.125) -> np.ndarray:
    """Squeezed between black bars of `share` of the height each."""
    height, width = luma.shape
    bar = round(height * share)
    inner = cv2.resize(luma, (width, height - 2 * bar), interpolation=cv2.INTER_AREA)
    return np.pad(inner, ((bar, bar), (0, 0)))


def covered(luma: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Its upper and lower border black."""
    changed, bar = luma.copy(), round(len(luma) * share)
    changed[:bar] = changed[-bar:] = 0
    return changed


def with_logo(luma: np.ndarray, right: bool = True, top: bool = True, share: float = 0.15) -> np.ndarray:
    changed = luma.copy()
    height, width = luma.shape
    radius, margin = round(min(height, width) * share / 2), round(0.03 * height)
    place = [margin + radius if low else side - margin - radius for low, side in ((not right, width), (top, height))]
    cv2.circle(changed, place, radius, 235, -1)
    cv2.putText(changed, "TV", (place[0] - radius // 2, place[1] + radius // 3), 0, radius / 30, 20, 2)
    return changed


def with_subtitle(luma: np.ndarray) -> np.ndarray:
    changed, scale = luma.copy(), len(luma) / 480
    for line, text in enumerate(("this is what he said to her", "and then they both left")):
        (width, _), _ = cv2.getTextSize(text, 0, scale, 2)
        place = ((luma.shape[1] - width) // 2, int(len(luma) * (0.85 + 0.08 * line)))
        cv2.putText(changed, text, place, 0, scale, 0, max(3, int(6 * scale)))
        cv2.putText(changed, text, place, 0, scale, 255, max(1, int(2 * scale)))
    return changed


def mirrored(luma: np.ndarray) -> np.ndarray:
    return luma[:, ::-1].copy()


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG 60": lambda luma: jpeg(luma, 60),
    "halved": lambda luma: cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "mirrored": mirrored,
    "crop 98 %": lambda luma: cropped(luma, 0.98),
    "crop 95 %": lambda luma: cropped(luma, 0.95),
    "crop 90 %": lambda luma: cropped(luma, 0.90),
    "crop 85 %": lambda luma: cropped(luma, 0.85),
    "crop 90 % at a corner": lambda luma: cropped(luma, 0.90, 0, 0),
    "crop 90 % at an edge": lambda luma: cropped(luma, 0.90, 0.5, 0),
    "crop 93 % off centre": lambda luma: cropped(luma, 0.93, 0.2, 0.3),
    "letterbox": letterboxed,
    "pillarbox": lambda luma: letterboxed(luma.T.copy()).T.copy(),
    "borders covered": covered,
    "logo": with_logo,
    "logo at the bottom left": lambda luma: with_logo(luma, right=False, top=False),
    "subtitle": with_subtitle,
    "mirrored crop 95 %": lambda luma: cropped(mirrored(luma), 0.95),
    "mirrored letterbox": lambda luma: letterboxed(mirrored(luma)),
    "crop 95 % with a logo": lambda luma: with_logo(cropped(luma, 0.95)),
}


def scene(rng: np.random.Generator, height: int = 360, width: int = 640) -> np.ndarray:
    """A drawn scene: ground, sky, and things of many sizes and shades."""
    horizon = int(rng.integers(height // 4, 3 * height // 4))
    luma = np.empty((height, width), np.uint8)
    luma[:horizon] = np.linspace(rng.integers(90, 250), rng.integers(90, 250), horizon)[:, None]
    luma[horizon:] = np.linspace(rng.integers(20, 160), rng.integers(20, 160), height - horizon)[:, None]
    for _ in range(int(rng.integers(14, 30))):
        x, y, shade = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(256))
        w, h = int(rng.integers(15, width // 4)), int(rng.integers(15, height // 3))
        if rng.random() < 0.5:
            cv2.rectangle(luma, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), shade, -1)
        else:
            cv2.ellipse(luma, (x, y), (w // 2, h // 2), float(rng.integers(180)), 0, 360, shade, -1)
    return _grain(cv2.GaussianBlur(luma, (0, 0), 1.5), rng, 6)


def night(rng: np.random.Generator) -> np.ndarray:
    luma = np.full((360, 640), rng.integers(3, 14), np.uint8)
    for _ in range(int(rng.integers(5, 25))):
        place = int(rng.integers(640)), int(rng.integers(100, 300))
        cv2.circle(luma, place, int(rng.integers(2, 9)), int(rng.integers(120, 255)), -1)
    return _grain(cv2.GaussianBlur(luma, (0, 0), 2), rng, 4)


def light_over_dark(rng: np.random.Generator) -> np.ndarray:
    luma, edge = np.zeros((360, 640), np.uint8), int(rng.integers(120, 240))
    luma[:edge], luma[edge:] = rng.integers(180, 230), rng.integers(20, 60)
    for _ in range(int(rng.integers(2, 6))):
        x, y = int(rng.integers(600)), int(rng.integers(edge - 30, 330))
        cv2.rectangle(
            luma, (x, y), (x + int(rng.integers(20, 90)), y + int(rng.integers(20, 60))), int(rng.integers(255)), -1
        )
    return _grain(luma, rng, 6)


WORDS = [
    "play",
    "options",
    "load",
    "video",
    "audio",
    "controls",
    "exit",
    "continue",
    "credits",
    "profile",
    "quit",
    "resume",
]


def menu(rng: np.random.Generator) -> np.ndarray:
    luma = np.full((360, 640), 18, np.uint8)
    for line, word in enumerate(rng.choice(WORDS, 6)):
        cv2.putText(luma, str(word), (220, 90 + 45 * line), 0, 1.0, int(rng.integers(170, 230)), 2)
    return _grain(luma, rng, 4)


ALIKE = {"night": night, "light over dark": light_over_dark, "dark menus": menu}


def _grain(luma: np.ndarray, rng: np.random.Generator, levels: int) -> np.ndarray:
    return cv2.add(luma, rng.integers(0, levels, luma.shape).astype(np.uint8))
