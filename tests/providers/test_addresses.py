"""Where a connection may lead, told by address and by the ways in which an address can be written."""

from __future__ import annotations

import pytest

from fusion.errors import InvalidInput
from fusion.providers.addresses import AddressRefused, Reach, reach_of, require_allowed, written_address
from fusion.providers.registry import checked_base_url, connections_from_env

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"]
NEAR = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",  # Python calls it neither private nor global
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",  # Python calls it and the next one global
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:808:808:0:0:f5ff:fffe",  # Teredo, from 10.0.0.1
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::a9fe:a9fe%eth0",
    "100.100.100.200",
    "168.63.129.16",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1::808:808",
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "ff0e::1",
    "240.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_open_internet_may_be_asked(address: str) -> None:
    assert reach_of(address) is Reach.PUBLIC
    require_allowed([address], 443, local=False)


@pytest.mark.parametrize("address", NEAR)
def test_what_is_near_is_asked_only_on_an_administrators_word(address: str) -> None:
    with pytest.raises(AddressRefused, match="private network") as caught:
        require_allowed([address], 443, local=False)
    assert "ask an administrator to mark the connection as local" in caught.value.way_past
    require_allowed([address], 443, local=True)


@pytest.mark.parametrize("address", [*NEVER, "", "name", "1.2.3", "::1::"])
@pytest.mark.parametrize("local", [False, True])
def test_what_no_model_server_has_is_never_asked(address: str, local: bool) -> None:
    with pytest.raises(AddressRefused, match="no model server has"):
        require_allowed([address], 443, local=local)


@pytest.mark.parametrize("bad", ["10.0.0.1", "169.254.169.254", "::1"])
def test_one_bad_address_spoils_a_name(bad: str) -> None:
    for addresses in (["8.8.8.8", bad], [bad, "8.8.8.8"], ["8.8.8.8", "2606:4700:4700::1111", bad]):
        with pytest.raises(AddressRefused):
            require_allowed(addresses, 443, local=False)


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(AddressRefused):
        require_allowed([], 443, local=True)


@pytest.mark.parametrize(("port", "allowed"), [(80, True), (443, True), (1024, True), (8080, True), (22, False)])
def test_ports_of_the_systems_services_need_an_administrators_word(port: int, allowed: bool) -> None:
    require_allowed(["127.0.0.1"], port, local=True)
    if allowed:
        require_allowed(["8.8.8.8"], port, local=False)
    else:
        with pytest.raises(AddressRefused, match=str(port)):
            require_allowed(["8.8.8.8"], port, local=False)


# --- as they are written -------------------------------------------------------------------------------------

LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.0x1",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "ｌｏｃａｌｈｏｓｔ",
]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_loopback_is_seen_however_it_is_written(host: str) -> None:
    assert written_address(host) == "127.0.0.1"
    with pytest.raises(InvalidInput):  # for where it leads, or because httpx reads no such address
        checked_base_url(f"http://{host}:8080/v1", name="Address")


@pytest.mark.parametrize("host", ["api.example.com", "1.example.com", "x1", "xn--bcher-kva.example", "0x7f.example"])
def test_a_name_spells_no_address(host: str) -> None:
    assert written_address(host) is None
    assert checked_base_url(f"https://{host}/v1", name="Address") == f"https://{host}/v1"


@pytest.mark.parametrize("address", [*NEAR, *NEVER])
def test_a_form_says_no_at_once_to_an_address_that_would_be_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(InvalidInput) as caught:
        checked_base_url(f"http://{host}/v1", name="Address")
    assert caught.value.field == "Address"


def test_a_form_takes_what_an_administrator_calls_local() -> None:
    for url in ("http://127.0.0.1:9000/v1", "http://[::1]:9000/v1", "http://10.0.0.1/v1", "http://localhost/v1"):
        assert checked_base_url(url, name="Address", local=True) == url
    for host in ("169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "[::]", "224.0.0.1"):
        with pytest.raises(InvalidInput, match="no model server has"):
            checked_base_url(f"http://{host}/v1", name="Address", local=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8@127.0.0.1/v1",
        "http://127.0.0.1\\@8.8.8.8/v1",
        "http://8.8.8.8\\@127.0.0.1/v1",
        "http://127.0.0.1\t.example.com/v1",
        "http://[127.0.0.1]/v1",
        "http://[::1/v1",
        "http://[::ffff:127.0.0.1]:99999/v1",
        "http://%31%32%37.0.0.1/v1",
        "http://[fe80::1%25eth0]/v1",
        "http://127.0.0.1#@8.8.8.8/v1",
        "http://127.0.0.1?@8.8.8.8/v1",
        "//127.0.0.1/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
        "ftp://8.8.8.8/v1",
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_an_address_that_two_readers_could_read_differently_is_refused(url: str, local: bool) -> None:
    with pytest.raises(InvalidInput):
        checked_base_url(url, name="Address", local=local)


@pytest.mark.parametrize("host", ["134744072", "0x8.8.8.8", "8.8.8.8.", "ｅxample.com", "example。com"])
def test_a_public_host_is_written_plainly(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"unusual way|is not an address"):
        checked_base_url(f"https://{host}/v1", name="Address")


def test_only_addresses_from_the_environment_are_local_by_themselves() -> None:
    env = {
        "OPENROUTER_API_KEY": "k",
        "OPENAI_API_KEY": "k",
        "OLLAMA_BASE_URL": "http://localhost:11434",
        "FUSION_PROVIDER_URL": "http://10.0.0.1/v1",
    }
    assert {made.slug: made.local for made in connections_from_env(env)} == {
        "openrouter": False,
        "openai": False,
        "ollama": True,
        "custom": True,
    }
