"""A process that answers at the ports of a server which makes its history anew: it stands in for it."""

from server.starting.ports import TakenPorts
from server.starting.standing_in import StandIn

__all__ = ["StandIn", "TakenPorts"]
