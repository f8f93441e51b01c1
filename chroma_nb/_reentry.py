"""Whether a call came in the middle of another one of the same thread: from a signal handler, ``__del__``, a callback.

Such a call must not wait for a lock that the outer one holds. Not a mark that is set and taken back: an interrupt may
fall between the two, and leave it set.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType


def is_running(code: CodeType) -> bool:
    """Whether a frame running this code object is on this thread's stack.

    >>> def outer():
    ...     return is_running(outer.__code__)
    >>> outer(), is_running(outer.__code__)
    (True, False)
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
