"""Names and addresses of a server, and which of them a request may call it by."""

import ipaddress

from glimmer_keras.serving.request_error import RequestError


def with_port(host: str, port: int) -> str:
    """Write `host:port`, where an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_host(header: str, address: str, name: str) -> None:
    """Refuse a request to a loopback address that was meant for another host.

    A page from outside can let its own name stand for this machine (DNS rebinding), and a browser
    then hands it the replies. The name is in the Host header.

    Args:
        header: Of the request, with or without a port.
        address: What the server is bound to.
        name: The host that it was started with.
    """
    host = header if header.endswith("]") else header.rpartition(":")[0] or header
    if _is_loopback(address) and host != name and not _is_loopback(host.strip("[]")):
        raise RequestError(
            "PERMISSION_DENIED",
            "Host must be localhost or a loopback address, as this server is for its own machine. "
            f"Received: {header!r}",
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
