"""The bundle, which is all that passes from trainer to server, and the registry that holds bundles."""
