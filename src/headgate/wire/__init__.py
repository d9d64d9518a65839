"""Protocols without policy: HTTP in and out, server-sent events, clocks, entropy, name resolution."""
