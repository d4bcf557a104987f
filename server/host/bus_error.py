"""A process that loses the file behind its memory ends with a sentence instead of a bare SIGBUS.

Where a mapped file was cut, or its file system is full or failing, the next touch of a page raises SIGBUS on
the thread that touches it. Python's handlers run only between its own steps, which never come: so the handler
is compiled, and does no more than POSIX allows there, write(2) and _exit(2).
"""

from __future__ import annotations

import ctypes
import signal

from numba import cfunc, types

from server.host.lost_history import EXIT_CODE

_SENTENCE = (
    b"kuntur-server: the file of the history was cut, or its file system is full or failing, while it was in "
    b"use: the server ends. Started again it keeps what is left of the file and says what is lost.\n"
)
_text = ctypes.create_string_buffer(_SENTENCE, len(_SENTENCE))
_TEXT, _LENGTH = ctypes.addressof(_text), len(_SENTENCE)
_STANDARD_ERROR = 2
_write = types.ExternalFunction("write", types.intp(types.int32, types.intp, types.uintp))
_exit = types.ExternalFunction("_exit", types.void(types.int32))


@cfunc(types.void(types.int32))  # type: ignore[untyped-decorator]
def _end(_signal: int) -> None:
    _write(_STANDARD_ERROR, _TEXT, _LENGTH)
    _exit(EXIT_CODE)


def end_on_lost_file() -> None:
    """Sets the handler for this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    if libc.signal(signal.SIGBUS, _end.address) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "cannot handle SIGBUS")
