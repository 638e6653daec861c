"""Being told to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class StopRequest:
    """A signal that may come; calling it tells whether it has.

    Attributes:
        raised: it was not only noted, but interrupted what was under way.
    """

    def __init__(self) -> None:
        self._came = self._noting = self.raised = False

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

    def handle(self, *_: object) -> None:
        """The signal's handler."""
        self._came = True
        if not self._noting:
            self.raised = True
            raise KeyboardInterrupt


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
    """Whether one of ``signals`` came. They raise ``KeyboardInterrupt``, but within :meth:`StopRequest.noting`.

    Where the interrupt passes through TensorFlow's C++ code another error comes out: hence the question.
    """
    stop = StopRequest()
    with _handled(stop.handle, *signals):
        yield stop
