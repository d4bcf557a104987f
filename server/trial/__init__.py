"""Trying models in a process of its own, with limits of memory and time, before the server loads them."""
