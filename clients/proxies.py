"""HTTP proxies of the environment: never asked for a server on this machine, and named where one fails.

gRPC asks the proxy that `grpc_proxy`, `https_proxy` or `http_proxy` names for every server that
`no_grpc_proxy` or `no_proxy` does not list, those on loopback included.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")  # in the order in which gRPC reads them
_EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")


def never_by_proxy(target: str) -> bool:
    """Returns whether `target` is on this machine: loopback, or a Unix domain socket."""
    host = _host(target)
    if host is None:
        return True
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_in_force(target: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns how calls to `target` go by a proxy, in a sentence; None when they do not.

    The sentence names the variable and the proxy's host, and never the user or password that the
    variable may hold.
    """
    host = _host(target)
    if host is None or never_by_proxy(target):
        return None
    variable = next((name for name in _PROXY_VARIABLES if environment.get(name)), None)
    if variable is None:
        return None
    listed = next((environment[name] for name in _EXCEPTION_VARIABLES if environment.get(name)), "")
    if any(_covers(each.strip(), host) for each in listed.split(",")):
        return None
    return (
        f"Calls to {host} go by the proxy {_address(environment[variable])} ({variable} is set): "
        f"add {host} to no_proxy to call it directly."
    )


def _host(target: str) -> str | None:
    """Returns the host of a gRPC target; None for a Unix domain socket."""
    scheme, _, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract", "vsock"):
        return None
    if scheme in ("ipv4", "ipv6"):
        target = rest
    elif scheme == "dns":
        target = rest.rsplit("/", 1)[-1]
    target = unquote(target)
    if target.startswith("["):
        return target[1:].partition("]")[0].lower()
    if target.count(":") > 1:  # an IPv6 address without a port
        return target.lower()
    return target.partition(":")[0].lower()


def _covers(entry: str, host: str) -> bool:
    """Returns whether an entry of no_proxy covers a host: a suffix of its name, or its network."""
    if not entry:
        return False
    if host.endswith(entry.lower()):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(proxy: str) -> str:
    """Returns host and port of a proxy, without the user and password that may stand before them."""
    return urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2]
