"""Being told to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class Told:
    """A signal's arrival; calling it tells whether it came.

    Attributes:
        raised: it was not only noted, but broke off what was under way.
    """

    def __init__(self):
        self._came = self._noting = self.raised = False

    def __call__(self) -> bool:
        return self._came

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Meanwhile it is only noted: who is inside looks for it and ends in good order."""
        self._noting = True
        try:
            yield
        finally:
            self._noting = False

    def take(self, *_: object) -> None:
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
def told_to_stop(*signals: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Whether one of ``signals`` came. They only leave a note, so that nothing under way is torn."""
    told = Told()
    with told.noting(), _handled(told.take, *signals):
        yield told


@contextlib.contextmanager
def breaking_off(*signals: signal.Signals) -> Iterator[Told]:
    """Whether one of ``signals`` came. They raise ``KeyboardInterrupt``, or leave a note within :meth:`Told.noting`.

    Where the interrupt passes through TensorFlow's C++ another error comes out: hence the question.
    """
    told = Told()
    with _handled(told.take, *signals):
        yield told
