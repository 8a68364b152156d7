"""A stand-in for a VLM on real photos: tasks from pixel statistics alone, so that the chain can run on real clips.

It understands nothing. It compares the regions of a picture (brightness, colour, edges) and names what stands out
in a small list of sentences. Whoever uses it must say so: scripted_vlm.py changes its model_id.
"""

from collections.abc import Iterator

import cv2
import numpy as np

REGIONS = ("left", "middle", "right")
AGENT = "First-person view"

TRAITS = {
    "brightest": "the bright area",
    "darkest": "the dark area",
    "most colourful": "the colourful area",
    "busiest": "the detailed area",
}
# T; how the camera moves to a side; how it moves to the middle.
VERBS = (
    (
        "Move toward the {trait} area {side}.",
        "glides forward while turning to the {region} along a smooth shallow arc",
        "glides straight forward at a slow walking pace",
    ),
    (
        "Look at the {trait} area {side}.",
        "stays in place and pans to the {region} at an even, unhurried speed",
        "stays in place, sways a little and steadies its gaze straight ahead",
    ),
    (
        "Bring the {trait} area {side} close to the view.",
        "turns to the {region} by a small angle and then moves slowly forward",
        "moves slowly forward along its line of sight",
    ),
    (
        "Stop close to the {trait} area {side}.",
        "travels forward while drifting to the {region} and comes to a gentle halt",
        "travels straight forward and comes to a gentle halt",
    ),
)


def screening_score(image: np.ndarray) -> float:
    """A log-odds within +-6 from edges, contrast and colour of uint8 [H, W, 3] RGB: a picture, not a menu or a void."""
    grey = cv2.cvtColor(_thumb(image), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    edges = float(np.mean(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) > 0.25))
    contrast = float(grey.std())
    flat = float(np.mean(np.abs(cv2.Laplacian(grey, cv2.CV_32F)) < 0.004))  # drawn surfaces have no grain at all
    return float(np.clip(8 * min(edges, 0.25) + 14 * (min(contrast, 0.25) - 0.1) - 5 * max(flat - 0.5, 0), -6, 6))


def tasks(image: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Pairs of T and D about regions of the picture, in an order that `rng` draws, until the list is spent."""
    found = [(trait, region, verb) for trait, region in _landmarks(image) for verb in VERBS]
    for i in rng.permutation(len(found)):
        trait, region, (instruction, aside, ahead) = found[i]
        side = "in the middle" if region == "middle" else f"on the {region}"
        motion = (ahead if region == "middle" else aside).format(region=region)
        area = TRAITS[trait]
        yield (
            f"[{AGENT}]: {instruction.format(trait=trait, side=side)}",
            f"The camera starts still, with {area} {side} of the view. It {motion}, so that "
            f"{area} grows and shifts toward the centre of the picture. Everything in the scene stays where it is and "
            f"only the perspective changes. The view comes to rest facing {area}, level and sharp.",
        )


def _landmarks(image: np.ndarray) -> list[tuple[str, str]]:
    """Each trait with the third of the picture in which it is strongest, and the runner-up."""
    thumb = _thumb(image).astype(np.float32) / 255
    luma = thumb @ np.array([0.299, 0.587, 0.114], np.float32)
    maps = {
        "brightest": luma,
        "darkest": -luma,
        "most colourful": thumb.max(-1) - thumb.min(-1),
        "busiest": np.abs(cv2.Laplacian(luma, cv2.CV_32F)),
    }
    found = []
    for trait, plane in maps.items():
        means = [float(part.mean()) for part in np.array_split(plane, len(REGIONS), axis=1)]
        ranked = sorted(range(len(REGIONS)), key=lambda i: -means[i])
        found += [(trait, REGIONS[i]) for i in ranked[:2]]
    return found


def _thumb(image: np.ndarray) -> np.ndarray:
    return cv2.resize(np.ascontiguousarray(image), (192, 128), interpolation=cv2.INTER_AREA)
