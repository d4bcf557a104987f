"""Bearer tokens: how they are read, and the keys of whoever issues them."""
