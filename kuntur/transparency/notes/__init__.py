"""What is signed and how it is written: keys, notes, checkpoints, cosignatures and proof files, by C2SP."""
