"""The command line `kuntur-server`."""
