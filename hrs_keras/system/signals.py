"""Being told to stop."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

_ONCE_MORE = b"\nstopping after this step, which is saved; Ctrl-C once more does not wait for that\n"


class StopRequest:
    """A signal that may come; calling it tells whether it has.

    Args:
        heeds_second: a second Ctrl-C interrupts also where the first is only noted, which the first says.

    Attributes:
        by_user: it was Ctrl-C (SIGINT).
        raised: it was not only noted, but interrupted what was under way.
    """

    def __init__(self, *, heeds_second: bool = False) -> None:
        self._came = self._noting = self.by_user = self.raised = False
        self._heeds_second = heeds_second

    def __call__(self) -> bool:
        return self._came

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Within this context the signal is only noted: who is inside asks for it, and ends in good order."""
        self._noting = True
        try:
            yield
        finally:
            self._noting = False

    def handle(self, number: int, _: object = None) -> None:
        """The signal's handler."""
        second, self._came = self.by_user, True
        self.by_user |= number == signal.SIGINT
        if not self._noting or (second and self._heeds_second and number == signal.SIGINT):
            self.raised = True
            raise KeyboardInterrupt
        if self._heeds_second and number == signal.SIGINT:
            with contextlib.suppress(OSError):  # what reads it may have ended by the same Ctrl-C
                os.write(2, _ONCE_MORE)  # not print(), which may be at work just now


@contextlib.contextmanager
def _handled(handler: Callable[..., None], *signals: signal.Signals) -> Iterator[None]:
    """Let a handler take signals, but for those that the process was started to ignore; only the main thread can."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in signals:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def told_to_stop(*signals: signal.Signals) -> Iterator[StopRequest]:
    """Whether one of ``signals`` came. They are only noted, so that nothing under way is torn."""
    stop = StopRequest()
    with stop.noting(), _handled(stop.handle, *signals):
        yield stop


@contextlib.contextmanager
def breaking_off(*signals: signal.Signals) -> Iterator[StopRequest]:
    """Whether one of ``signals`` came. They raise ``KeyboardInterrupt``, but within :meth:`StopRequest.noting`, where a
    second Ctrl-C does.

    Where the interrupt passes through TensorFlow's C++ code another error comes out: hence the question.
    """
    stop = StopRequest(heeds_second=True)
    with _handled(stop.handle, *signals):
        yield stop
