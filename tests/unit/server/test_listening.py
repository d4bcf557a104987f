from __future__ import annotations

import pytest

from server.settings.config import ConfigError, load_settings
from server.settings.listening import checked_address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "10.0.0.7:0",
        "[::1]:50051",
        "[::]:50051",
        "localhost:50051",
        "scorer-1.bank:1",
        "unix:/a b",
    ],
)
def test_addresses_are_taken_as_they_are(address: str) -> None:
    assert checked_address(address) == address
    assert load_settings(None, {"listen_address": address}).listen_address == address


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "HOST:PORT"),
        ("127.0.0.1", "HOST:PORT"),
        ("localhost", "HOST:PORT"),
        ("::1", "brackets"),
        ("::1:50051", "brackets"),
        (":50051", "names no host"),
        ("127.0.0.1:", "no port"),
        ("127.0.0.1:http", "no port"),
        ("127.0.0.1:65536", "no port"),
        ("127.0.0.1:-1", "no port"),
        ("127.0.0.1:\u0665", "no port"),
        ("[::1:50051", "IPv6"),
        ("[localhost]:50051", "IPv6"),
        ("[]:50051", "IPv6"),
        ("a b:50051", "neither a name"),
        ("http://a:50051", "brackets"),
        ("unix:", "names no path"),
    ],
)
def test_other_addresses_are_refused_in_a_sentence(address: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {"listen_address": address})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("listen_address: ")
    assert said in line


def test_one_process_listens_on_a_socket_file() -> None:
    assert load_settings(None, {"listen_address": "unix:/run/a", "workers": 1}).workers == 1
    with pytest.raises(ConfigError, match="only one process can listen on a Unix domain socket"):
        load_settings(None, {"listen_address": "unix:/run/a", "workers": 2})
