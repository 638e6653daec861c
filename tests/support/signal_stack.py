"""The stack that signal handlers run on, which OpenVINO leaves unmapped.

Each model that its CPU plugin compiles sets a stack of its own (sigaltstack), and brings back the one before it when
the model goes. Where an older model has gone first, that is one that is unmapped by then, and the next signal, whatever
handles it, ends the process without a word.
"""

import ctypes

_libc = ctypes.CDLL(None, use_errno=True)


class SignalStack(ctypes.Structure):
    """C's ``stack_t``."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))

    @classmethod
    def now(cls) -> "SignalStack":
        """That of this thread."""
        stack = cls()
        _call(None, ctypes.byref(stack))
        return stack

    def restore(self) -> None:
        """Make it this thread's again, if another has taken its place."""
        if self.now().place != self.place:
            _call(ctypes.byref(self), None)


def _call(new: object, old: object) -> None:
    if _libc.sigaltstack(new, old):
        raise OSError(ctypes.get_errno(), "sigaltstack")
