"""Puts the parts of a server together, by concern: `server.app` builds them all, starts and ends them."""
