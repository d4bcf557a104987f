"""How much the server takes at a time: the settings of `[limits]`."""

from __future__ import annotations

from pydantic import Field

from kuntur.settings.section import Section


class Limits(Section):
    """How much the server takes at a time. What is beyond it waits on the caller's side or is refused."""

    max_unary_in_flight: int = Field(1024, ge=1, le=65_536)
    """Unary calls whose requests have come and whose answers have not left. A call whose request is still
    being sent takes no place."""
    target_wait_s: float = Field(0.05, gt=0, le=10)
    """Longest wait of a unary call for its turn that is no overload: more than the 64 calls of one connection
    make by themselves, and little of a caller's deadline. Once it has been longer for 100 ms on end, new
    calls are refused, within `refusals_per_s`; a shorter stall costs time but no refusal."""
    refusals_per_s: float = Field(1000.0, gt=0, le=1e6)
    """Calls and streams refused with a reason and RetryInfo a second, after 64 at once. A refusal costs as
    much as an answer; further ones wait for their turn."""
    max_unary_per_caller: int | None = Field(None, ge=1, le=65_536)
    """Unary calls of one caller in flight; unset: half of `max_unary_in_flight` at most. At
    `max_unary_in_flight` or above, callers have no limit of their own."""
    max_streams: int = Field(512, ge=1, le=4096)
    """Streams of scores whose first message has come, and all streams of backfill and reflection. The latter
    have a thread each, which is started when it is needed."""
    max_streams_per_caller: int | None = Field(None, ge=1, le=4096)
    """Streams of one caller; unset: half of `max_streams`. At `max_streams` or above: no such limit."""
    stream_idle_s: float = Field(10.0, ge=0, le=86_400)
    """A stream on which nothing has moved for so long gives up its place when another would be refused."""
    caller_timeout_s: float = Field(5.0, gt=0, le=3600)
    """Time that a caller has to send the rest of a request that it has begun, and to read the answer to a
    unary call; then the call is ended."""
    max_streams_per_connection: int = Field(64, ge=1, le=65_536)
    """HTTP/2 streams, which are calls of any kind, that a connection may have open at a time; it is told so
    when it is made. What its caller has beyond that waits on the caller's side, within its deadline."""
    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Connections open at a time; one more is closed as soon as it is made."""
    max_connection_age_s: float = Field(3600.0, ge=1, le=30 * 86_400)
    """Time after which a connection is asked to end, up to a tenth more or less, so that callers connect
    anew, perhaps to another worker or server. Calls and streams on it go on for as long as
    `max_stream_lifetime_s`."""
    max_stream_lifetime_s: float = Field(3600.0, gt=0, le=30 * 86_400)
    """Longest time that a stream is open, up to a tenth less; then its caller opens another."""
    caller_metadata_key: str = Field("", pattern="^[a-z0-9_.-]*$")
    """Key of the metadata by which a proxy in front names callers that TLS does not name; unset or not
    sent: callers are told apart by address. Whoever can reach the server can send any name."""
    control_threads: int = Field(8, ge=2, le=64)
    """Threads for health and models, which answer at full load too."""
    max_frame_transactions: int = Field(4096, ge=1, le=65_536)
    """Transactions in a frame of a stream."""
    max_request_outcomes: int = Field(4096, ge=1, le=1_000_000)
    """Outcomes in a report."""
    max_message_bytes: int = Field(8 << 20, ge=1 << 10, le=1 << 30)
    """Size of a request or frame, decompressed. A frame of 4096 transactions takes about one MiB."""
    max_held_bytes: int = Field(64 << 20, ge=1 << 20, le=1 << 40)
    """Requests and frames that have come and wait for their turn, in all, as they came: compressed ones are
    decompressed when it is their turn, as many at a time as half of the cores. Once half of it is taken, no
    stream is read ahead; what is beyond it is refused."""
    max_unread_bytes: int = Field(64 << 20, ge=1 << 20, le=1 << 40)
    """Answers that have been made and that their callers have not read, in all; of one connection a quarter
    of it may wait for more than a second. Beyond that those that have waited longest are cut off."""
    keepalive_s: float = Field(60.0, ge=1, le=7200)
    """A connection silent for so long is pinged; without an answer within a third of that time it is closed
    and its streams are freed."""
    retry_delay_s: float = Field(1.0, gt=0, le=3600)
    """Time after which a caller should try again that was refused because of load, a start or a shutdown."""
