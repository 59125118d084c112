"""The guard that keeps tests on this machine is in force, and lets loopback through."""

from __future__ import annotations

import socket

import pytest

from tests.network import keep_to_this_machine


def test_looking_up_another_host_is_refused():
    with pytest.raises(AssertionError, match=r"tried to reach host\.invalid"):
        socket.getaddrinfo("host.invalid", 443)


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("2001:db8::1", 443, 0, 0)])
def test_connecting_to_another_host_is_refused(address: tuple[object, ...]):
    with pytest.raises(AssertionError, match="tests talk to this machine only"):
        keep_to_this_machine("socket.connect", (None, address))


def test_connection_over_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
