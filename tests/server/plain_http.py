"""Requests without a client library of ours, and bytes that are no requests."""

from __future__ import annotations

import socket
from typing import Any

import httpx


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    """One request on a connection of its own; loading certificates for each would take 0.1 s."""
    with httpx.Client(verify=False) as client:
        return client.request(method, url, **options)


def get(url: str, **options: Any) -> httpx.Response:
    return ask("GET", url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    return ask("POST", url, **options)


def raw(port: int, data: bytes, *, end: bool = False) -> bytes:
    """What the server says to these bytes, until it closes or is silent for two seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while piece := connection.recv(65536):
                heard += piece
                if b"\r\n\r\n" in heard and not end:
                    break
        except TimeoutError:
            pass
        return heard
