"""The asyncio client: the same verbs as `clients.sync`, awaited."""
