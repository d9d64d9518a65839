"""TLS contexts for connections to providers: built once, never per call."""

from __future__ import annotations

import ssl

import certifi


def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """A verifying context, TLS 1.2 or later, trusting `ca_file` (PEM) or certifi's roots.

    Raises OSError or ssl.SSLError where the file cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525: names are told in subjectAltName, nowhere else
    context.set_alpn_protocols(["http/1.1"])
    return context
