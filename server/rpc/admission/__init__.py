"""How much is let in: gates, callers, overload, memory held by requests and by unread answers."""
