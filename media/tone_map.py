"""HDR pictures (PQ, HLG) as an SDR screen shows them: as they are up to reference white, rolled off above.

Reference white is 203 cd/m2 (ITU-R BT.2408), as in players: a graphic or a face has the brightness of its SDR master.
Above KNEE of the signal range a shoulder (extended Reinhard) takes in what goes up to PEAK_NITS, the nominal peak of
HLG and of most PQ masters; brighter is white. The curve acts on the largest of R, G and B, so that hues stay. It is the
same for all frames: neither metadata, which is often wrong, nor the picture itself changes it: no video pumps.

FFmpeg's own filters were tried (FFmpeg 8; mean luma error to an SDR master): `tonemap` hable 40 levels, `scale` with
intent=perceptual 32, intent=relative_colorimetric 1 but it cuts at 203 cd/m2; each takes 4 to 10 s for its tables.
`zscale` and `libplacebo` are not in PyAV's wheels. This one: 2 levels on photographs, 0.3 to 0.6 below the shoulder.
"""

from functools import cache

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

# Transfer characteristics of HDR (ITU-T H.273): Rec. ITU-R BT.2100 PQ and HLG.
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)

REFERENCE_WHITE_NITS = 203.0
PEAK_NITS = 1000.0
KNEE = 0.85  # of the signal range
GAMMA = 2.4  # of SDR screens, BT.1886

# Linear RGB to linear BT.709, by the primaries of the source (BT.2087 for BT.2020; P3 with white D65, SMPTE EG 432-1).
FROM_2020 = ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730))
FROM_P3 = ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274))
MATRICES = {ColorPrimaries.BT709: np.eye(3), ColorPrimaries.SMPTE432: FROM_P3}
LUMA_2020 = (0.2627, 0.6780, 0.0593)


def transfer_name(transfer: int) -> str:
    """FFmpeg's name of a transfer characteristic, such as "bt709", "smpte2084" (PQ) or "arib_std_b67" (HLG).

    "" where it is not known.
    """
    known = {int(one): one.name.lower() for one in ColorTrc if one != ColorTrc.UNSPECIFIED}
    return known.get(int(transfer), "")


def is_hdr(frame: VideoFrame) -> bool:
    return frame.color_trc in HDR


def tone_mapped(rgb: np.ndarray, transfer: int, primaries: int = ColorPrimaries.BT2020) -> np.ndarray:
    """uint16 [h, w, 3] full-range R'G'B' with `transfer` (one of HDR) -> uint8 [h, w, 3] R'G'B' of BT.709, full range.

    `primaries` that are not BT.709 or P3 are taken for BT.2020, the only ones of BT.2100. Raises ValueError for a
    transfer that is not HDR, and for another dtype or shape.
    """
    if rgb.dtype != np.uint16 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb is {rgb.dtype} {list(rgb.shape)}: uint16 [h, w, 3] is expected")
    linear = linear_light(transfer)[rgb]
    if transfer == ColorTrc.ARIB_STD_B67:
        # The display's part of HLG (BT.2100, table 5): gamma 1.2 of the luminance, at a peak of 1000 cd/m2.
        luminance = np.maximum(cv2.transform(linear, np.float32([LUMA_2020])), 1e-6).reshape(*linear.shape[:2], 1)
        linear = linear * (luminance**0.2 * np.float32(PEAK_NITS / REFERENCE_WHITE_NITS))
    linear = cv2.transform(linear, np.float32(MATRICES.get(primaries, FROM_2020)))
    signal = np.maximum(linear, 0) ** np.float32(1 / GAMMA)
    largest = signal.max(2, keepdims=True)
    signal *= rolled_off(largest) / np.maximum(largest, np.float32(1e-6))
    return np.clip(np.rint(signal * 255), 0, 255).astype(np.uint8)


def rolled_off(signal: np.ndarray) -> np.ndarray:
    """A signal, 1 at reference white, -> 0..1: as it is up to KNEE, then bent so that PEAK_NITS becomes 1."""
    peak = ((PEAK_NITS / REFERENCE_WHITE_NITS) ** (1 / GAMMA) - KNEE) / (1 - KNEE)
    above = np.clip((signal - KNEE) / (1 - KNEE), 0, peak)
    return np.where(signal <= KNEE, signal, KNEE + (1 - KNEE) * above * (1 + above / peak**2) / (1 + above))


@cache
def linear_light(transfer: int) -> np.ndarray:
    """float32 [65536]: linear light for each 16-bit code; of PQ the screen's, 1 at reference white, of HLG the scene's.

    Source: ITU-R BT.2100-2, tables 4 and 5.
    """
    code = np.arange(65536) / 65535
    if transfer == ColorTrc.SMPTE2084:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = code ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * (10_000 / REFERENCE_WHITE_NITS)
    elif transfer == ColorTrc.ARIB_STD_B67:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:
        raise ValueError(f"transfer {transfer} is not one of HDR: {', '.join(str(int(known)) for known in HDR)}")
    return light.astype(np.float32)
