import pytest

from glimmer_keras.serving.request_error import RequestError
from glimmer_keras.serving.server.hosts import check_host, with_port

OWN = ["localhost", "LOCALHOST:8501", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:9"]
FOREIGN = [
    *("evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example:1"),
    *("10.0.0.1:8501", "0.0.0.0", "[::2]:8501", "", ":8501", "localhost:1:evil.example"),
]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_only_names_of_this_machine(address):
    for header in [*OWN, "glimmer.local:8501"]:
        check_host(header, address, "glimmer.local")
    for header in FOREIGN:
        with pytest.raises(RequestError, match="Host must be localhost or a loopback") as raised:
            check_host(header, address, address)
        assert raised.value.code == "PERMISSION_DENIED"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1"])
def test_any_name_where_others_may_ask(address):
    for header in [*OWN, *FOREIGN]:
        check_host(header, address, address)


def test_with_port():
    assert [with_port(host, 80) for host in ("a.b", "::1")] == ["a.b:80", "[::1]:80"]
