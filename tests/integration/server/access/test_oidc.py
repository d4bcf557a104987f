"""Tokens of a real OpenID provider, whose keys the server fetches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from jwt.algorithms import ECAlgorithm

from kuntur.api.v1 import model_service_pb2
from tests.support.bundles import publish_constant
from tests.support.guarded import Guarded, guarded_server
from tests.support.issuer import SigningKey, signing_key
from tests.support.serving import failure

_ROOT = Path(__file__).parents[4]
_PROGRAM = _ROOT / "tests/support/oidc_provider.mjs"
_PACKAGE = "oidc-provider@8.8.1"
_BINDINGS = '[[binding]]\nidentities = ["token:desk"]\nroles = ["read_models"]\n'


def modules() -> Path | None:
    """Returns where Node.js finds the provider, fetched once; None where it cannot be had."""
    folder, npm = _ROOT / "build" / "oidc", shutil.which("npm")
    found = folder / "node_modules"
    if shutil.which("node") is None or npm is None:
        return None
    if not (found / "oidc-provider").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), _PACKAGE]
        subprocess.run(install, capture_output=True, check=False, timeout=300)
    return found if (found / "oidc-provider").is_dir() else None


@contextmanager
def provider(where: Path, *keys: SigningKey) -> Iterator[str]:
    """Runs a provider that signs with the first of these keys; yields its issuer."""
    private = [
        json.loads(ECAlgorithm.to_jwk(key.private)) | {"kid": key.kid, "alg": "ES256", "use": "sig"}
        for key in keys
    ]
    for entry in private:
        entry.pop("key_ops", None)
    process = subprocess.Popen(
        ["node", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NODE_PATH": str(where)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        asked = {"keys": private, "clients": {"desk": "s3cret", "stranger": "s3cret"}, "audience": "kuntur"}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(60)


def token(issuer: str, client: str) -> str:
    """Returns an access token that the provider gives a client by its secret."""
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": "s3cret"}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{issuer}/token", data=urllib.parse.urlencode(form).encode(), timeout=60) as answer:
        return str(json.loads(answer.read())["access_token"])


def listed(server: Guarded, given: str) -> Any:
    """Returns the models as a caller with a token sees them, who comes again while keys are fetched."""
    while True:
        try:
            return server.stubs.models.ListModels(
                model_service_pb2.ListModelsRequest(), metadata=(("authorization", f"Bearer {given}"),)
            )
        except grpc.RpcError as error:
            if failure(error).reason != "KEY_PENDING":
                raise
            time.sleep(0.05)


def test_tokens_of_an_openid_provider_open_what_its_clients_are_bound_to(tmp_path: Path) -> None:
    where = modules()
    if where is None:
        pytest.skip("needs Node.js and npm, which fetches oidc-provider")
    publish_constant(tmp_path / "registry", "m-1", 0.1)
    with provider(where, signing_key("k-1"), signing_key("k-2")) as issuer:
        access = {"issuer": issuer, "jwks_url": f"{issuer}/jwks"}
        with guarded_server(tmp_path, tmp_path / "registry", _BINDINGS, access=access) as server:
            assert listed(server, token(issuer, "desk")).models
            with pytest.raises(grpc.RpcError) as caught:
                listed(server, token(issuer, "stranger"))
            told = failure(caught.value)
            assert (told.reason, told.metadata) == ("IDENTITY_UNKNOWN", {"identity": "token:stranger"})
