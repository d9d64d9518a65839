"""The bounds of HTTP in and out. Sizes are bytes, times are seconds; hitting one is always a clear error."""

from __future__ import annotations

import msgspec


class ServerLimits(msgspec.Struct, frozen=True):
    """What a client may ask of the server, before anything is parsed or anybody is known.

    A body must arrive within `body_s` plus its size at `body_rate` bytes per second. For `linger_s`, and up to
    `linger_bytes`, input is read and thrown away after a refusal, so that it is not lost to a TCP reset.
    `pipeline_bytes` bounds what a client may send ahead of its turn; reading pauses there. `receiving_bytes` bounds the
    sum of all bodies that have arrived in part: nobody has shown a key yet, and each of `connections` may send
    `body_bytes`. `accepts` connections are taken at once where many wait: few where other processes share the socket,
    so that each gets its part. `grace_s` is how long a client that has nothing under way is still served while the
    server ends: its next request may be on its way, and its answer says `connection: close`.
    """

    header_bytes: int = 64 * 1024
    headers: int = 128
    body_bytes: int = 32 * 1024 * 1024
    receiving_bytes: int = 256 * 1024 * 1024
    pipeline_bytes: int = 64 * 1024
    write_buffer_bytes: int = 64 * 1024
    connections: int = 8192
    backlog: int = 2048
    header_s: float = 10.0
    body_s: float = 30.0
    body_rate: int = 64 * 1024
    idle_s: float = 75.0
    write_s: float = 30.0
    linger_s: float = 2.0
    linger_bytes: int = 64 * 1024 * 1024
    grace_s: float = 1.0
    accepts: int = 64


class ClientLimits(msgspec.Struct, frozen=True):
    """What a provider may do to us, and how many connections one origin gets.

    `buffer_bytes` is how much of an answer may wait for a slow reader before reading from the provider pauses.
    """

    header_bytes: int = 64 * 1024
    headers: int = 256
    informational: int = 8
    body_bytes: int = 128 * 1024 * 1024
    buffer_bytes: int = 256 * 1024
    connections: int = 8192
    idle_connections: int = 256
    idle_s: float = 30.0
