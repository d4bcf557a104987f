"""How a client speaks to a server: addresses, TLS, deadlines, retries and the options of its channel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from clients.proxies import never_by_proxy
from kuntur.api.v1 import model_service_pb2, outcome_service_pb2, scoring_service_pb2

ChannelOptions = list[tuple[str, int | str]]


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Settings of a client; the defaults suit a server in the same data centre."""

    server: str = "localhost:50051"
    """Address as HOST:PORT, or any other target that gRPC resolves."""

    tls: bool | None = None
    """Whether the server speaks TLS; None: where `ca` or `certificate` is set. True without `ca` trusts the
    public authorities that come with gRPC."""

    ca: str | Path | None = None
    """PEM file with the authorities that the server's certificate must be of."""

    certificate: str | Path | None = None
    """PEM file with the certificate to show to the server, then those between it and its authority. It, `ca`
    and `key` are read again when they change: a new channel takes over once it is connected."""

    key: str | Path | None = None
    """PEM file with the certificate's private key, not encrypted."""

    server_name: str | None = None
    """Name that the server's certificate must have, where `server` is another, such as an address."""

    token_file: str | Path | None = None
    """File with the bearer token that goes with each call, read again when it changes. Over TLS alone."""

    allow_plaintext_token: bool = False
    """Whether the token may go without TLS to a server on this machine, for tests. Never to another one."""

    timeout_seconds: float = 5.0
    """Longest wait for the answer to one unary call, its retries included."""

    bulk_timeout_seconds: float = 120.0
    """The same for a call that carries thousands of outcomes. Streams have no deadline."""

    max_attempts: int = 4
    """Tries of a unary call while the server is unavailable or overloaded, the first included; 1 turns
    retries off, and gRPC takes at most 5. Every unary call of the contract is safe to repeat."""

    initial_backoff_seconds: float = 0.1
    """Upper bound of the wait before the second try; each further one is twice as long, at random
    between 0 and its bound, so that many clients do not come back at once."""

    max_backoff_seconds: float = 2.0
    """Longest wait between two tries, unless the server asks for more."""

    keepalive_seconds: float = 330.0
    """How often a silent connection with an open call is probed. Above the 300 s that gRPC servers
    demand by default, or they hang up; below the 350 s after which load balancers drop silent connections."""

    keepalive_timeout_seconds: float = 20.0
    """How long to wait for the answer to a probe before the connection counts as lost."""

    max_message_bytes: int = 64 * 1024 * 1024
    """Largest message to send or to receive: a server gives a frame no reasons beyond 4 MiB."""

    def __post_init__(self) -> None:
        """Refuses what does not go together. Raises ValueError."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both, or neither")
        if self.tls is False and (self.ca is not None or self.certificate is not None):
            raise ValueError("ca and certificate are of no use without TLS")
        if self.server_name is not None and not self.uses_tls:
            raise ValueError("server_name is of no use without TLS: give ca, or say tls")

    @property
    def uses_tls(self) -> bool:
        """Whether the server speaks TLS."""
        if self.tls is not None:
            return self.tls
        return self.ca is not None or self.certificate is not None

    def channel_options(self, target: str = "") -> ChannelOptions:
        """Returns the options of the gRPC channel to `target`, this machine's own reached without a proxy."""
        name: ChannelOptions = []
        if self.server_name is not None:
            name = [("grpc.ssl_target_name_override", self.server_name)]
        return [
            *name,
            ("grpc.keepalive_time_ms", int(self.keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout_seconds * 1000)),
            # An idle channel needs no probe, and servers count one without a call as abuse.
            ("grpc.keepalive_permit_without_calls", 0),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            # A request is kept for a retry only while it fits here; the default, 256 KiB, can be too little.
            ("grpc.per_rpc_retry_buffer_size", 8 * 1024 * 1024),
            ("grpc.enable_retries", 1),
            ("grpc.service_config", self.service_config()),
            ("grpc.enable_http_proxy", 0 if never_by_proxy(target or self.server) else 1),
        ]

    def service_config(self) -> str:
        """Returns gRPC's service config: which calls are repeated, how often, and the budget of retries.

        With the defaults it is `protos/kuntur/api/v1/service_config.json`, which clients of any language
        take as it is.
        """
        if self.max_attempts <= 1:
            return "{}"
        # A stream is never repeated by gRPC: what it lost is told to the caller.
        names = [
            {"service": service.full_name, "method": method.name}
            for module in (scoring_service_pb2, outcome_service_pb2, model_service_pb2)
            for service in module.DESCRIPTOR.services_by_name.values()
            for method in service.methods
            if not (method.client_streaming or method.server_streaming)
        ]
        return json.dumps(
            {
                "methodConfig": [
                    {
                        "name": names,
                        "retryPolicy": {
                            "maxAttempts": min(self.max_attempts, 5),
                            "initialBackoff": f"{self.initial_backoff_seconds:.3f}s",
                            "maxBackoff": f"{self.max_backoff_seconds:.3f}s",
                            "backoffMultiplier": 2,
                            # CANCELLED: what a server under a flood ends calls with, unread.
                            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
                        },
                    }
                ],
                # The budget: a failure costs a token and an answer earns a tenth of one; below half of
                # them nothing is repeated. So where more than about one try in eleven fails, retries stop
                # until the server is well again.
                "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
            },
            indent=2,
        )
