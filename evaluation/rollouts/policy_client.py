"""A policy behind a socket: openpi's websocket protocol, in which its servers answer observations with actions.

The server first says who it is, then answers each observation (a map of text to arrays) with a map that has `actions`,
float [chunk, D]. A text in place of bytes is the server's own error.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.rollouts.msgpack_arrays import LARGEST, BadMessage, packed, unpacked


class PolicyError(RuntimeError):
    """The policy's server cannot be reached, failed, or gave no actions."""


class PolicyClient:
    """A connection to ws://host:port, to be used in a `with`. Raises PolicyError; BadMessage for what is refused."""

    def __init__(self, address: str, api_key: str = "", timeout_s: float = 60.0):
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        self.address = address if "://" in address else f"ws://{address}"
        self.timeout_s = timeout_s
        headers = {"Authorization": f"Api-Key {api_key}"} if api_key else None
        try:
            self.socket = connect(
                self.address,
                compression=None,
                max_size=LARGEST,
                additional_headers=headers,
                open_timeout=timeout_s,
            )
        except (OSError, ValueError, WebSocketException) as error:
            raise PolicyError(f"no policy at {self.address}: {error}") from error
        self.metadata: Mapping[str, Any] = self._received()

    def __enter__(self) -> "PolicyClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def actions(self, observation: Mapping[str, Any]) -> np.ndarray:
        """What the policy does next, float64 [chunk, D] in its own units."""
        from websockets.exceptions import WebSocketException

        message = packed(dict(observation))
        try:
            self.socket.send(message)
        except (OSError, WebSocketException) as error:
            raise PolicyError(f"the policy at {self.address} is gone: {error}") from error
        answer = self._received()
        found = answer.get("actions")
        if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "iuf" or not len(found):
            told = f"{found.dtype} {list(found.shape)}" if isinstance(found, np.ndarray) else type(found).__name__
            raise PolicyError(f"the policy at {self.address} answered actions {told}: numbers [chunk, D] are expected")
        if not np.isfinite(found).all():
            raise PolicyError(f"the policy at {self.address} answered actions that are not finite")
        return found.astype(np.float64)

    def _received(self) -> Mapping[str, Any]:
        from websockets.exceptions import WebSocketException

        try:
            answer = self.socket.recv(timeout=self.timeout_s)
        except TimeoutError as error:
            raise PolicyError(f"the policy at {self.address} was silent for {self.timeout_s:g} s") from error
        except (OSError, WebSocketException) as error:
            raise PolicyError(f"the policy at {self.address} is gone: {error}") from error
        if isinstance(answer, str):
            raise PolicyError(f"the policy at {self.address} failed: {answer.strip()[-500:]}")
        found = unpacked(answer)
        if not isinstance(found, dict):
            raise BadMessage(f"the policy at {self.address} sent a {type(found).__name__}: a map is expected")
        return found
