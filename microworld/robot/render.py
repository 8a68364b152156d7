"""Pictures and masks of states, by a ray for each of 3 x 3 points of a pixel: exact, smooth at edges, numpy alone."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from microworld.robot import sizes
from microworld.robot.cameras import cameras
from microworld.robot.state import FINGER_MIDDLE, PALM_MIDDLE, State, finger_centres

POINTS = 3  # rays across a pixel, and down
LIGHT = np.array([0.35, -0.45, 0.82]) / np.linalg.norm([0.35, -0.45, 0.82])
AMBIENT = 0.58
FLOOR = (62, 70, 84)
TABLE = (214, 206, 192)  # RGB; it warms to one side and cools to the other, so that the wrist camera tells where it is
GRID_M, LINE_M = 0.11, 0.007  # m between lines of the grid, and their half width
GRIPPER, FINGER, ARM, JOINT = (58, 62, 74), (246, 140, 40), (232, 234, 240), (92, 98, 114)
SHOULDER = (0.16, 0.0, 0.34)  # m, where the visible link ends
WRIST_TOP = 0.20  # m above the tips, where it begins
ROBOT, FIRST_BLOCK = 1, 2  # labels of masks; 0 is table and floor
SHADOW = 0.34


def render_states(states: Sequence[State]) -> np.ndarray:
    """uint8 [N, V, H, W, 3] RGB of states that have equally many blocks."""
    return _rendered(states)[0]


def render_masks(states: Sequence[State]) -> np.ndarray:
    """uint8 [N, V, H, W]: what most of each pixel shows, 0 table, 1 robot, 2 and on the blocks in their order."""
    return _rendered(states)[1]


def render_both(states: Sequence[State]) -> tuple[np.ndarray, np.ndarray]:
    """(`render_states`, `render_masks`) for the price of one."""
    return _rendered(states)


def _rendered(states: Sequence[State]) -> tuple[np.ndarray, np.ndarray]:
    side, count, views = sizes.SIDE_PX, len(states), len(sizes.VIEWS)
    eyes, axes, tangents = cameras(states)
    eyes = eyes.astype(np.float32)
    centre, turn, half, colour, label = _boxes(states)
    flat = _flat(sizes.SIDE_PX)
    pictures = np.empty((count, views, side * side, 3), np.uint8)
    masks = np.empty((count, views, side * side), np.uint8)
    for view in range(views):
        local = flat * np.array([tangents[view], tangents[view], 1.0])
        fixed = view < 2
        rays = np.einsum("psi,nij->npsj", local, axes[: 1 if fixed else count, view]).astype(np.float32)
        eye = eyes[:, view]
        colours, depth = _ground(eye[: 1 if fixed else count], rays)
        middle = rays[:, :, POINTS * POINTS // 2]
        shade = _shadows(eye, middle, centre, turn, half, label)
        colours = np.broadcast_to(colours, (count, *colours.shape[1:])) * shade[:, :, None, None]
        depth = np.array(np.broadcast_to(depth, (count, *depth.shape[1:])))
        rays = np.broadcast_to(rays, (count, *rays.shape[1:]))
        shown = np.zeros(depth.shape, np.uint8)
        for box in range(centre.shape[1]):
            _draw(colours, depth, shown, eye, rays, centre[:, box], turn[:, box], half[:, box], colour[box], label[box])
        pictures[:, view] = (colours.mean(2) + 0.5).astype(np.uint8)
        counts = np.stack([(shown == one).sum(2) for one in range(int(max(label)) + 1)])
        masks[:, view] = counts.argmax(0)
    return pictures.reshape(count, views, side, side, 3), masks.reshape(count, views, side, side)


@lru_cache(maxsize=2)
def _flat(side: int) -> np.ndarray:
    """Points of the picture's plane: float64 [pixels, points of a pixel, (right, down, 1)], each from -1 to 1."""
    at = (np.arange(side * POINTS) + 0.5) / (side * POINTS) * 2 - 1
    down, right = np.meshgrid(at, at, indexing="ij")
    both = np.stack([right, down, np.ones_like(right)], -1)
    both = both.reshape(side, POINTS, side, POINTS, 3).transpose(0, 2, 1, 3, 4)
    return both.reshape(side * side, POINTS * POINTS, 3)


def _boxes(states: Sequence[State]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list, list]:
    """All boxes: centres [N, B, 3], axes as rows [N, B, 3, 3], half sizes [N, B, 3], colours and labels, B each."""
    colours = [sizes.COLOURS[block.colour] for block in states[0].blocks]
    centre, turn, half = [], [], []
    up = np.array([0.0, 0.0, 1.0])
    for state in states:
        x, y, z, _, _, yaw, _ = state.pose
        tip, upright = np.array([x, y, z]), _about_z(yaw)
        rows = [((b.x, b.y, b.z), _about_z(b.yaw), (sizes.BLOCK_HALF,) * 3) for b in state.blocks]
        for out in finger_centres(state.gap):
            rows.append((tip + upright.T @ (0.0, out, FINGER_MIDDLE), upright, sizes.FINGER_HALF))
        rows.append((tip + up * PALM_MIDDLE, upright, sizes.PALM_HALF))
        top = tip + up * WRIST_TOP
        low = PALM_MIDDLE + sizes.PALM_HALF[2]
        rows.append((tip + up * (low + WRIST_TOP) / 2, upright, (0.017, 0.017, (WRIST_TOP - low) / 2)))
        rows.append((top, upright, (0.026, 0.026, 0.024)))
        link = np.array(SHOULDER) - top
        length = np.linalg.norm(link)
        along = link / length
        side = np.cross((0.0, 0.0, 1.0), along)
        side /= np.linalg.norm(side)
        rows.append((top + link / 2, np.stack([along, side, np.cross(along, side)]), (length / 2, 0.021, 0.021)))
        centre.append([row[0] for row in rows])
        turn.append([row[1] for row in rows])
        half.append([row[2] for row in rows])
    labels = [FIRST_BLOCK + n for n in range(len(colours))] + [ROBOT] * 6
    centre, turn, half = (np.array(one, np.float32) for one in (centre, turn, half))
    return centre, turn, half, [*colours, FINGER, FINGER, GRIPPER, JOINT, JOINT, ARM], labels


def _about_z(yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _ground(eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Table and floor with nothing on them: colours [N, pixels, points, 3], depth along the ray [N, pixels, points]."""
    down = rays[..., 2]
    depth = np.where(down < -1e-6, -eye[:, None, None, 2] / np.minimum(down, -1e-6), np.inf)
    far = np.minimum(depth, 10.0)
    x = (eye[:, None, None, 0] + far * rays[..., 0] - sizes.CENTRE[0]) / sizes.TABLE_HALF
    y = (eye[:, None, None, 1] + far * rays[..., 1] - sizes.CENTRE[1]) / sizes.TABLE_HALF
    on = (np.abs(x) < 1) & (np.abs(y) < 1)
    line = np.zeros_like(x)
    for at in (x, y):
        off = np.abs((at * sizes.TABLE_HALF / GRID_M + 0.5) % 1 - 0.5) * GRID_M
        line = np.maximum(line, np.clip(1.5 - off / LINE_M, 0, 1))
    rim = np.clip((np.maximum(np.abs(x), np.abs(y)) - 0.94) / 0.03, 0, 1)
    ring = np.clip(1.4 - np.abs(np.hypot(x, y) - 0.30) * sizes.TABLE_HALF / LINE_M, 0, 1)
    table = np.stack([TABLE[0] + 12 * x - 12 * y, TABLE[1] + 6 * x + 2 * y, TABLE[2] - 16 * x + 16 * y], -1)
    table = table * (1 - 0.13 * np.maximum(line, rim) - 0.10 * ring)[..., None]
    return np.where(on[..., None], table, np.array(FLOOR, np.float32)), depth


def _shadows(eye, middle, centre, turn, half, label) -> np.ndarray:
    """How much light is left on the ground at the middle of each pixel, [N, pixels]: soft below what is high."""
    down = np.minimum(middle[..., 2], -1e-6)
    far = np.minimum(-eye[:, None, 2] / down, 10.0)
    x, y = (eye[:, None, axis] + far * middle[..., axis] for axis in (0, 1))
    left = np.ones(x.shape)
    palm = len(label) - 4
    for box in range(palm + 1):  # blocks, fingers, palm; the link is too high
        dx, dy = x - centre[:, box, None, 0], y - centre[:, box, None, 1]
        high = np.maximum(centre[:, box, 2] - half[:, box, 2], 0)[:, None]
        soft = 0.012 + 0.25 * high
        cover = np.ones(x.shape)
        for axis in (0, 1):
            off = np.abs(dx * turn[:, box, axis, None, 0] + dy * turn[:, box, axis, None, 1])
            cover *= np.clip(0.5 - (off - half[:, box, axis, None]) / soft, 0, 1)
        left = np.minimum(left, 1 - SHADOW * cover / (1 + 5 * high))
    return left


def _draw(colours, depth, shown, eye, rays, centre, turn, half, colour, label) -> None:
    """One box of each of N states over what is there, where it is nearer."""
    to = centre - eye
    middle = rays[:, :, POINTS * POINTS // 2]
    along = np.einsum("npi,ni->np", middle, to)
    square = (middle * middle).sum(-1)
    radius = np.sqrt((half * half).sum(-1)) + 0.03
    near = (along > 0) & ((to * to).sum(-1)[:, None] - along * along / square < radius[:, None] ** 2)
    n, p = np.nonzero(near)
    if not len(n):
        return
    origin = -np.einsum("nij,nj->ni", turn, to)[n][:, None]  # the eye, in the box's frame
    ray = np.einsum("kij,ksj->ksi", turn[n], rays[n, p])
    ray = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    size = half[n][:, None]
    enter, leave = (-np.sign(ray) * size - origin) / ray, (np.sign(ray) * size - origin) / ray
    face = enter.argmax(-1)
    first = enter.max(-1)
    hit = (first < leave.min(-1)) & (first > 0) & (first < depth[n, p])
    k, s = np.nonzero(hit)
    face = face[k, s]
    normal = turn[n[k], face] * -np.sign(ray[k, s, face])[:, None]
    light = AMBIENT + (1.06 - AMBIENT) * np.clip(normal @ LIGHT, 0, 1) + 0.06 * normal[:, 2]
    at = (n[k], p[k], s)
    colours[at] = np.clip(np.array(colour) * light[:, None], 0, 255)
    depth[at] = first[k, s]
    shown[at] = label
