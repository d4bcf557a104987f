"""The command line `kuntur-trainer`."""
