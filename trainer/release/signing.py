"""Signatures of bundles: the trainer's own when it publishes, and those of whoever signs afterwards."""

from __future__ import annotations

import os
from pathlib import Path

from kuntur.bundle.bundle import Bundle, read_bundle
from kuntur.bundle.signing import SigningKey, read_private_key, signature, signature_name
from kuntur.files.paths import sync
from trainer.settings.recording import SigningSettings


def signing_keys(settings: SigningSettings) -> tuple[SigningKey, ...]:
    """Returns the key with which bundles are signed as they are published; none where none is set.

    Raises KeyFileError.
    """
    if settings.key is None:
        return ()
    password = settings.password
    return (read_private_key(settings.key, None if password is None else password.get_secret_value()),)


def sign(path: Path, key: SigningKey) -> Bundle:
    """Signs a bundle that is there, beside the signatures that it has, and returns it.

    What is signed is what was read and checked. The signature shows when it is whole on disk.

    Raises:
        BundleRefusedError: The bundle is damaged: it is not signed.
        OSError: The signature cannot be written.
    """
    bundle = read_bundle(path)
    target = path / signature_name(key)
    target.parent.mkdir(exist_ok=True)
    # Beside the bundle: a file that it does not name would have it refused meanwhile.
    draft = path.parent / f".{path.name}.{target.name}.{os.getpid()}"
    try:
        draft.write_bytes(signature(path.name, bundle.digests, key))
        sync(draft)
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    sync(target.parent)
    sync(path)
    return bundle
