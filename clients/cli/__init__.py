"""The command line `kuntur`: files against a running server."""
