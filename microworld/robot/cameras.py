"""Where the cameras are: two beside the table, one on the gripper, all with a plain perspective."""

from collections.abc import Sequence

import numpy as np

from microworld.robot.state import State

# (eye, point looked at) in metres and half the angle of view as a tangent
EXTERNAL = (
    ((1.06, 0.26, 0.60), (0.485, 0.0, 0.045), 0.35),  # from the front, oblique: the arm comes from behind
    ((0.40, -0.86, 0.46), (0.47, 0.0, 0.075), 0.31),  # from the robot's right side: the arm comes from the left
)
WRIST_EYE, WRIST_AT = (-0.118, 0.0, 0.140), (-0.016, 0.0, 0.0)  # m, in the gripper's frame, from the tips
WRIST_TANGENT = 0.70


def cameras(states: Sequence[State]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For N states and V views: eyes float64 [N, V, 3]; axes [N, V, 3, 3], rows right, down, forward; tangents [V]."""
    eyes, axes = np.zeros((len(states), 3, 3)), np.zeros((len(states), 3, 3, 3))
    for view, (eye, at, _) in enumerate(EXTERNAL):
        eyes[:, view], axes[:, view] = eye, _axes(np.array(eye), np.array(at), np.array([0.0, 0.0, 1.0]))
    for n, state in enumerate(states):
        x, y, z, _, _, yaw, _ = state.pose
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])
        eye, at = (np.array([x, y, z]) + turn @ np.array(point) for point in (WRIST_EYE, WRIST_AT))
        eyes[n, 2], axes[n, 2] = eye, _axes(eye, at, np.array([0.0, 0.0, 1.0]))
    return eyes, axes, np.array([*(one[2] for one in EXTERNAL), WRIST_TANGENT])


def _axes(eye: np.ndarray, at: np.ndarray, up: np.ndarray) -> np.ndarray:
    forward = (at - eye) / np.linalg.norm(at - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def project(states: Sequence[State], points: np.ndarray, side_px: int) -> np.ndarray:
    """Where points float64 [N, k, 3] (m) lie in the pictures: [N, V, k, 2], x and y in pixels."""
    eyes, axes, tangents = cameras(states)
    seen = np.einsum("nvij,nvkj->nvki", axes, points[:, None] - eyes[:, :, None])
    return (seen[..., :2] / seen[..., 2:] / tangents[:, None, None] + 1) * side_px / 2
