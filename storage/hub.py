"""Errors of pushes to the Hugging Face Hub, told without the token."""

from collections.abc import Iterator
from contextlib import contextmanager


class PushFailed(Exception):
    """The Hub refused the push or broke it off. The message never contains the token."""


@contextmanager
def errors_without(token: str) -> Iterator[None]:
    """Turns the Hub client's errors into PushFailed, with the token blotted out and no link to the original."""
    # HTTPError is that of the client's HTTP library, whose name changes between versions of the client; RuntimeError is
    # what its transfer library raises.
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        yield
    except (HTTPError, HFValidationError, OSError, RuntimeError) as error:
        said = f"{type(error).__name__}: {error}".replace(token, "***")
        raise PushFailed(said) from None
