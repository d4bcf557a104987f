"""`kuntur-server witness`: cosigns the checkpoints of logs that only ever grow (C2SP tlog-witness).

For whoever watches over a bank's journal on a machine of their own. It sees sizes and hashes alone, never
what is in the journal.
"""
