"""Being told to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def told_to_stop(*signals: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Whether one of ``signals`` came. They only leave a note, so that nothing under way is torn.

    A signal that the process was started to ignore stays ignored.
    """
    told = False

    def note(*_: object) -> None:
        nonlocal told
        told = True

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for number in signals:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield lambda: told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Preemption:
    """SIGTERM's arrival, as :func:`preemption` gives it; calling it tells whether it came.

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
def preemption() -> Iterator[Preemption]:
    """SIGTERM ends what is under way as Ctrl-C does, or is noted where that is asked for.

    Only in the main thread, and not in a process that was started to ignore it.
    """
    told = Preemption()
    main = threading.current_thread() is threading.main_thread()
    own = main and signal.getsignal(signal.SIGTERM) != signal.SIG_IGN
    before = signal.signal(signal.SIGTERM, told.take) if own else None
    try:
        yield told
    finally:
        if own:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C came.

    It raises ``KeyboardInterrupt``, as always; but where that passes through TensorFlow's C++ another error comes out.
    """
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    own = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if own:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
