"""No test reaches beyond this machine: an audit hook refuses before anything is sent."""

from __future__ import annotations

from ipaddress import ip_address

LOCAL_NAMES = {"localhost", "", "None"}


def keep_to_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse to connect to, or look up, anything that is not this machine.

    Raises:
        AssertionError: it was tried; the message names the host.
    """
    host = _host(event, arguments)
    if host is not None and host not in LOCAL_NAMES and not is_local(host):
        raise AssertionError(f"a test tried to reach {host}: tests talk to this machine only")


def is_local(host: str) -> bool:
    """Whether `host` is a numeric address of this machine; 0.0.0.0 and ::, which servers bind, are.

    >>> is_local("127.0.0.1"), is_local("::1"), is_local("192.0.2.1"), is_local("example.org")
    (True, True, False, False)
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _host(event: str, arguments: tuple[object, ...]) -> str | None:
    """The host an audited event is about; None for Unix sockets and everything else."""
    match event, arguments:
        case "socket.getaddrinfo", (bytes() as name, *_):
            return name.decode()
        case "socket.getaddrinfo", (name, *_):
            return str(name)
        case "socket.connect" | "socket.sendto", (_, (host, *_)):
            return str(host)
    return None
