"""NumPy arrays in msgpack, as openpi's policy servers speak it: plain numbers only, nothing that could run code.

An array is {b"__ndarray__": True, b"data": bytes, b"dtype": str, b"shape": [..]}, a scalar of NumPy {b"__npgeneric__":
True, b"data": number, b"dtype": str} (github: Physical-Intelligence/openpi, openpi-client).
"""

from typing import Any

import numpy as np

KINDS = "biufSU"  # booleans, integers, floats, text; no objects (pickles), records or complex numbers
LARGEST = 2**28  # bytes of one message


class BadMessage(ValueError):
    """What came over the wire is no message of this protocol."""


def packed(value: Any) -> bytes:
    """Raises BadMessage for arrays of objects, records or complex numbers, and for what msgpack has no form of."""
    import msgpack

    try:
        return msgpack.packb(value, default=_to_map)
    except TypeError as error:
        raise BadMessage(f"this cannot be sent: {error}") from error


def unpacked(data: bytes) -> Any:
    """Raises BadMessage for what is no msgpack, and for arrays that are not what they say. Arrays can be written to."""
    import msgpack

    if len(data) > LARGEST:
        raise BadMessage(f"a message of {len(data)} bytes: at most {LARGEST} are read")
    try:
        return msgpack.unpackb(data, object_hook=_from_map)
    except BadMessage:
        raise
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BadMessage(f"a message that is no msgpack: {type(error).__name__} {error}") from error


def _to_map(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        _check_kind(value.dtype)
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        _check_kind(value.dtype)
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise BadMessage(f"a {type(value).__name__} cannot be sent: use numbers, text, lists, mappings and NumPy arrays")


def _from_map(value: dict) -> Any:
    if b"__ndarray__" in value:
        dtype = _dtype(value)
        try:
            return np.frombuffer(value[b"data"], dtype).reshape([int(one) for one in value[b"shape"]]).copy()
        except (KeyError, TypeError, ValueError) as error:
            raise BadMessage(f"an array of dtype {dtype} that is not what it says: {error}") from error
    if b"__npgeneric__" in value:
        dtype = _dtype(value)
        try:
            return dtype.type(value[b"data"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadMessage(f"a number of dtype {dtype} that is not what it says: {error}") from error
    return value


def _dtype(value: dict) -> np.dtype:
    said = value.get(b"dtype")
    if not isinstance(said, str | bytes) or len(said) > 16:
        raise BadMessage(f"an array of dtype {str(said)[:40]!r}: a short text as '<f4' is expected")
    try:
        found = np.dtype(said.decode() if isinstance(said, bytes) else said)
    except (TypeError, ValueError, SyntaxError) as error:
        raise BadMessage(f"an array of dtype {said!r}, which NumPy does not know") from error
    _check_kind(found)
    return found


def _check_kind(dtype: np.dtype) -> None:
    if dtype.kind not in KINDS or dtype.hasobject:
        raise BadMessage(f"an array of dtype {dtype}: only booleans, whole numbers, floats and text are taken")
