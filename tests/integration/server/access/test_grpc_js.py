"""The table of methods and roles, and every bad credential, over another language's client."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from google.rpc import status_pb2

from bench.callers.grpc_js import grpc_js
from server.access.roles import RULES, Role
from tests.support.access_table import BINDINGS, REQUESTS, expected
from tests.support.bundles import publish_constant
from tests.support.guarded import Guarded, guarded_server
from tests.support.issuer import Issuer, bearer, signing_key
from tests.support.serving import failure

_ROOT = Path(__file__).parents[4]
_CLIENT = _ROOT / "tests/support/grpc_js_access.js"


def _cases(server: Guarded) -> list[tuple[str, str | None, str]]:
    """Returns methods, authorizations and the reasons that are to come of them."""
    issuer = server.issuer
    bad = {
        None: "CREDENTIALS_MISSING",
        "Bearer a.b.c": "TOKEN_INVALID",
        bearer(Issuer([signing_key("k-1")]).token("score")): "TOKEN_INVALID",
        bearer(issuer.token("score", lasts_s=-1000.0)): "TOKEN_EXPIRED",
        bearer(issuer.token("score", iss="https://evil.example")): "TOKEN_ISSUER",
        bearer(issuer.token("score", aud="other")): "TOKEN_AUDIENCE",
        bearer(issuer.token("stranger")): "IDENTITY_UNKNOWN",
    }
    roles = {role: bearer(issuer.token(role)) for role in Role}
    found = [(method, authorization, reason) for method in RULES for authorization, reason in bad.items()]
    return found + [
        (method, authorization, expected(method, role))
        for method in RULES
        for role, authorization in roles.items()
    ]


def test_every_case_of_the_table_ends_for_grpc_js_as_it_says(tmp_path: Path) -> None:
    environment = grpc_js(_ROOT / "build" / "node")
    if environment is None:
        pytest.skip("needs Node.js and npm, which fetches grpc-js")
    publish_constant(tmp_path / "registry", "m-1", 0.1)
    access = {"open_health": False}
    with guarded_server(tmp_path, tmp_path / "registry", BINDINGS, access=access) as server:
        server.wait_until_live("m-1")
        cases = _cases(server)
        asked = [
            {
                "method": method,
                "request": base64.b64encode(REQUESTS[method.rpartition("/")[2]].SerializeToString()).decode(),
                "authorization": authorization,
            }
            for method, authorization, _ in cases
        ]
        done = subprocess.run(
            ["node", str(_CLIENT)],
            input=json.dumps({"address": server.address, "cases": asked}),
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
            env=environment,
        )
    told = [
        failure(status_pb2.Status.FromString(base64.b64decode(status))).reason if status else code
        for code, status in json.loads(done.stdout)
    ]
    assert [(method, reason) for (method, _, _), reason in zip(cases, told, strict=True)] == [
        (method, reason) for method, _, reason in cases
    ]
