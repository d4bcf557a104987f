"""Certificates and keys in files: read, checked, and read again when they change. Knows no gRPC."""
