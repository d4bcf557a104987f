"""The Merkle tree of RFC 6962: its hashes, its proofs, and its files as C2SP lays them out in tiles."""
