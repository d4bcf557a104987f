"""`kuntur-trainer sign` and `verify`: the signature of an approver, and who has signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.faults import console, fault
from trainer.cli.options import require_directory, require_key

_REFUSED = 1
_BundleArgument = Annotated[Path, typer.Argument(help="The bundle, such as registry/VERSION.")]
_ID_LETTERS = 16


def sign(
    bundle: _BundleArgument,
    key: Annotated[
        Path,
        typer.Option(envvar="KUNTUR_TRAINER_SIGNING__KEY", help="PEM file of the private key, on P-256."),
    ],
    password: Annotated[
        str | None,
        typer.Option(
            envvar="KUNTUR_TRAINER_SIGNING__PASSWORD",
            help="What it is encrypted with; better in the environment than here.",
        ),
    ] = None,
) -> None:
    """Signs a published bundle, beside the signatures that it has.

    The bundle is checked first, file by file. A server that asks for several signers takes the model within
    seconds of the last signature.

    Example: kuntur-trainer sign registry/VERSION --key approver.pem

    Exit codes: 0 signed, 2 not.
    """
    require_directory(bundle, "bundle")
    require_key(key)
    from kuntur.bundle.bundle import BundleRefusedError
    from kuntur.bundle.signing import KeyFileError, read_private_key
    from trainer.release.signing import sign as sign_bundle

    path = bundle.resolve()
    try:
        signer = read_private_key(key, password)
        signed = sign_bundle(path, signer)
    except (KeyFileError, BundleRefusedError) as error:
        raise fault(str(error)) from error
    except OSError as error:
        raise fault(f"the signature cannot be written: {error}") from error
    manifest = signed.manifest
    console.print(f"Signed {manifest.model_version} with the key {signer.public.id[:_ID_LETTERS]}")
    for name, told in (
        ("algorithm", manifest.algorithm),
        ("role", manifest.role),
        ("verdict", manifest.verdict),
    ):
        if told:
            console.print(f"  {name}: {told}", markup=False, highlight=False, soft_wrap=True)


def verify(
    bundle: _BundleArgument,
    policy: Annotated[Path, typer.Option(help="TOML file with the keys that count, as the server has it.")],
) -> None:
    """Checks a bundle and its signatures as a server with this policy would, and says who has signed.

    The model itself is not run, and its age is not looked at.

    Example: kuntur-trainer verify registry/VERSION --policy signers.toml

    Exit codes: 0 a server would go on with it, 1 it is refused, 2 not carried out.
    """
    require_directory(bundle, "bundle")
    from kuntur.bundle.bundle import BundleRefusedError, read_bundle
    from kuntur.bundle.signing import PolicyError, read_policy

    try:
        found = read_bundle(bundle.resolve(), read_policy(policy))
    except PolicyError as error:
        raise fault(str(error)) from error
    except BundleRefusedError as error:
        console.print(f"refused: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_REFUSED) from error
    console.print(f"{found.manifest.model_version}: signed by {', '.join(found.signers)}", highlight=False)
