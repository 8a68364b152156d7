"""How well a video's first frame keeps the picture that the model was given: SSIM (Wang et al. 2004)."""

import numpy as np

WINDOW, SIGMA = 11, 1.5  # of the Gaussian that means and variances are taken under, in pixels; as published
K1, K2, RANGE = 0.01, 0.03, 255.0
LUMA = np.array([0.2126, 0.7152, 0.0722])  # BT.709, as videos are written


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """The mean structural similarity of two pictures uint8 [H, W, 3] RGB by their luma: 1 for equal ones, at least -1.

    Only windows that lie within the picture count. Raises ValueError for two shapes, or sides below the window's.
    """
    import cv2

    if first.shape != second.shape or min(first.shape[:2]) < WINDOW:
        raise ValueError(
            f"pictures of shapes {first.shape} and {second.shape}: one shape, sides of at least {WINDOW} are expected"
        )
    x, y = (picture.astype(np.float64) @ LUMA for picture in (first, second))
    edge = WINDOW // 2

    def mean(values: np.ndarray) -> np.ndarray:
        blurred = cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA)
        return blurred[edge:-edge, edge:-edge]

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    both = mean(x * y) - mean_x * mean_y
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    quality = (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(quality.mean())
