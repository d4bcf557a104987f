"""The services: convert the request, call the use case, convert the answer."""
