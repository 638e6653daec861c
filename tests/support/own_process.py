"""SIGTERM to the process that runs the tests."""

import signal


def tell_to_end() -> None:
    """Send SIGTERM to this thread, whose handler of Python's then runs at once.

    Raises:
        AssertionError: nothing handles it: it would end this process, and every test after this one with it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    assert callable(handler), handler
    signal.raise_signal(signal.SIGTERM)
