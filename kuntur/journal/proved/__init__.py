"""The journal as a log that is signed: its leaf hashes while it is written, and its verification."""
