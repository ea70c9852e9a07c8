"""What a device is told when it starts."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.xiaozhi.ota import Asker, NoDevice, answer, asker, reached_as

HEADERS = {"Device-Id": "aa:bb:cc:dd:ee:ff", "Client-Id": "0f0e0d0c-1111-4222-8333-444455556666"}
BODY = b'{"application": {"version": "2.0.5"}, "board": {"type": "m5stack-core-s3"}, "mac_address": "x"}'
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))


def test_a_device_is_told_where_to_talk_and_what_time_it_is() -> None:
    who = asker(HEADERS, BODY)
    told = answer(who, url="ws://house:8003/xiaozhi/v1/", secret="s", now=NOON, code=None)
    assert told == {
        "server_time": {"timestamp": 1767261600000, "timezone_offset": 120},
        "firmware": {"version": "2.0.5", "url": ""},
        "websocket": {"url": "ws://house:8003/xiaozhi/v1/", "token": "s", "version": 2},
    }
    assert who.what == "m5stack-core-s3 ee:ff"


def test_a_device_that_is_not_in_is_given_a_code_to_show() -> None:
    told = answer(asker(HEADERS), url="ws://house", secret="s", now=NOON, code="123456")
    assert told["activation"]["code"] == "123456"
    assert told["activation"]["message"] == "passfel pair --accept 123456"
    assert told["activation"]["challenge"]


def test_a_secret_is_the_devices_and_the_houses_own() -> None:
    who, upper = asker(HEADERS), asker({**HEADERS, "Device-Id": "AA:BB:CC:DD:EE:FF"})
    assert who.secret(b"key") == upper.secret(b"key")
    secrets = {
        who.secret(b"key"),
        who.secret(b"another"),
        asker({**HEADERS, "Client-Id": "other"}).secret(b"key"),
        asker({**HEADERS, "Device-Id": "aa:bb:cc:dd:ee:00"}).secret(b"key"),
    }
    assert len(secrets) == 4


@pytest.mark.parametrize(
    "headers",
    [{}, {"Device-Id": "aa"}, {**HEADERS, "Client-Id": ""}, {**HEADERS, "Device-Id": "a\nb"}, {**HEADERS, "Device-Id": "x" * 65}],
)  # fmt: skip
def test_what_is_no_device_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NoDevice, match="Client-Id"):
        asker(headers)


@given(st.binary(max_size=300) | st.sampled_from([b"[" * 5000, b'{"board": 3}', b'{"application": {"version": []}}']))
def test_any_body_is_read(body: bytes) -> None:
    assert asker(HEADERS, body) == Asker(HEADERS["Device-Id"], HEADERS["Client-Id"])


@pytest.mark.parametrize("version", ["evil", "1..2", "9" * 30, "1.2.3.4.5", ""])
def test_no_version_comes_back_that_the_firmware_stumbles_over(version: str) -> None:
    assert asker({**HEADERS, "User-Agent": f"board/{version}"}).version == "0.0.0"
    assert asker({**HEADERS, "User-Agent": "bread-compact-wifi/1.7.2"}).version == "1.7.2"


@pytest.mark.parametrize(
    ("host", "name"),
    [("house.lan:8003", "house.lan"), ("192.168.1.5", "192.168.1.5"), ("[fe80::1]:80", "own"), ("", "own"), ("a b", "own")],
)  # fmt: skip
def test_the_websocket_is_where_the_device_reached_the_house(host: str, name: str) -> None:
    assert reached_as(host, "own") == name
