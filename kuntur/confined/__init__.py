"""A child process with limits of memory and time: what loops or takes all memory takes down nothing but that.

Light: a child that imports it loads nothing but the standard library.
"""

from kuntur.confined.limits import confine
from kuntur.confined.messages import exactly, receive, send
from kuntur.confined.process import deadline, end, how_it_ended, start

__all__ = ["confine", "deadline", "end", "exactly", "how_it_ended", "receive", "send", "start"]
