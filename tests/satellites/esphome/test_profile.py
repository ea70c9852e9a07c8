import pytest
from aioesphomeapi.core import (
    APIConnectionError,
    EncryptionPlaintextAPIError,
    InvalidEncryptionKeyAPIError,
    RequiresEncryptionAPIError,
    ResolveAPIError,
    SocketAPIError,
)
from aioesphomeapi.model import DeviceInfo, VoiceAssistantFeature
from hypothesis import given
from hypothesis import strategies as some

from pipeline.settings.satellites import Esphome, EsphomeDevice
from satellites.esphome.problems import Refused, explain, holder, plain
from satellites.esphome.profile import Profile, profile_of

ALL = sum(VoiceAssistantFeature)
DEVICE = EsphomeDevice(address="192.168.1.7")


def profile(features: int = ALL & ~VoiceAssistantFeature.SPEAKER, **info: object) -> Profile:
    return profile_of(DeviceInfo(**{"esphome_version": "2026.6.5", **info}), features, [])


def test_firmware_fetches_early_since_it_can() -> None:
    assert profile().traits(Esphome(), DEVICE).starts_early
    assert not profile(esphome_version="2025.6.3").traits(Esphome(), DEVICE).starts_early
    assert not profile(esphome_version="unknown").traits(Esphome(), DEVICE).starts_early


def test_a_linux_voice_assistant_is_known_by_its_project_and_can_be_told_not_to_be_interrupted() -> None:
    linux = profile(project_name="Open Home Foundation.Linux Voice Assistant", esphome_version="45.3.1")
    assert linux.traits(Esphome(), DEVICE).full_duplex
    assert linux.traits(Esphome(), DEVICE).starts_early
    assert not linux.traits(Esphome(), DEVICE.model_copy(update={"barge_in": False})).full_duplex
    assert not profile().traits(Esphome(), DEVICE).full_duplex


def test_features_of_tomorrow_are_passed_over() -> None:
    assert profile(ALL | 1 << 40).features == VoiceAssistantFeature(ALL)
    assert not profile(1 << 40).assists


@given(some.text())
def test_what_a_device_calls_itself_breaks_no_line(name: str) -> None:
    assert "\n" not in profile(name=name).name
    assert "\x1b" not in plain(name)
    assert len(plain(name)) <= 200


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RequiresEncryptionAPIError(""), "set esphome.devices.hall.key"),
        (InvalidEncryptionKeyAPIError(""), "another than esphome.devices.hall.key"),
        (EncryptionPlaintextAPIError(""), "take esphome.devices.hall.key out"),
        (ResolveAPIError(""), "nothing is called hall.local here"),
        (SocketAPIError(""), "cannot be reached at hall.local"),
        (TimeoutError(), "cannot be reached at hall.local"),
        (OSError(113, "No route to host"), "cannot be reached at hall.local"),
        (APIConnectionError("odd\nmessage"), "does not speak ESPHome's API as it should: odd message"),
        (Refused("it is busy"), "it is busy"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(error: Exception, said: str) -> None:
    line = explain(error, "hall.local", "esphome.devices.hall")
    assert said in line
    assert "\n" not in line


def test_who_holds_a_devices_voice_is_read_in_its_log() -> None:
    line = b"\x1b[1;31m[E][voice_assistant:540]: Multiple API Clients attempting to connect to Voice Assistant"
    theirs = (
        line + b"\n  Current client: Home Assistant 2026.11.1 (192.168.1.5)\n  New client: PASSFEL (192.168.1.2)\x1b[0m"
    )
    ours = line + b"\n  Current client: PASSFEL (192.168.1.2)\n  New client: Home Assistant (192.168.1.5)\x1b[0m"
    assert holder(theirs, "PASSFEL") == "Home Assistant 2026.11.1 (192.168.1.5)"
    assert holder(ours, "PASSFEL") is None
    assert holder(line, "PASSFEL") == "another client"
    assert holder(b"[E][wifi:1]: lost", "PASSFEL") is None


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="no key of ESPHome"):
        EsphomeDevice(address="hall.local", key="short")
    with pytest.raises(ValueError, match=r"two devices at hall\.local"):
        Esphome(devices={"a": EsphomeDevice(address="hall.local"), "b": EsphomeDevice(address="HALL.local")})
    with pytest.raises(ValueError, match="address"):
        EsphomeDevice(address="http://hall.local")
    assert not Esphome().wanted
    assert Esphome(devices={"a": DEVICE}).wanted
