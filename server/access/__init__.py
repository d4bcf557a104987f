"""Who calls and what they may do: identities, roles, institutions, and the guard that each call passes."""

from server.access.caller import ANYONE, Caller
from server.access.control import AccessControl
from server.access.guard import Guard
from server.access.roles import RULES, Role, Rule
from server.access.security_log import SecurityLog

__all__ = [
    "ANYONE",
    "RULES",
    "AccessControl",
    "Caller",
    "Guard",
    "Role",
    "Rule",
    "SecurityLog",
]
