"""The one room that leans on the inside of numba and llvmlite; everything else uses `njit` as it comes.

What is here falls back to something plainer, slower or less where that inside is not as it was tested, and
says so once in the log; docs/dependencies.md lists what takes over.
"""
