"""What every call has around it, whichever transport serves it."""
