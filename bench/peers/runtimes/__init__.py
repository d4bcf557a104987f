"""One program a peer, run by the peer's own interpreter: `python -m bench.peers.runtimes.NAME MODEL PORT`.

None of them may import Kuntur or anything else of this project but its neighbours: their environments hold
none of it. Request logs are off and calls are not batched; everything else is as the peer comes.
"""
