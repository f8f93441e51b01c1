"""Calls that come in the middle of another call of the same thread.

Signal handlers, finalizers, weak reference callbacks and trace functions run between any two instructions of a
call that is under way, and may call the same object. Whoever holds locks marks the thread that holds them; an
interrupt can leave such a mark behind, so it is a hint, and the stack says whether it is true.
"""

from __future__ import annotations

import sys
from types import CodeType


def is_running(code: CodeType) -> bool:
    """Whether a frame that runs ``code`` is on this thread's stack, below the function that asks.

    >>> def outer(work):
    ...     return work()
    >>> is_running(outer.__code__), outer(lambda: is_running(outer.__code__))
    (False, True)
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
