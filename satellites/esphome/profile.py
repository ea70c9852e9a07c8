"""What a device says about itself: what it is, what runs on it, and what it can do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aioesphomeapi.model import (
    DeviceInfo,
    EntityInfo,
    MediaPlayerInfo,
    MediaPlayerSupportedFormat,
    VoiceAssistantFeature,
)

from pipeline.settings.satellites import Esphome, EsphomeDevice
from satellites.esphome.encoding import SpeechFormat, wanted_format
from satellites.esphome.run import Traits

STREAMS_SINCE: Final = (2025, 7)
"""The version of ESPHome since which an answer is fetched while it is made."""
LINUX_VOICE_ASSISTANT: Final = "linux voice assistant"
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """One device's."""

    name: str
    """What it calls itself on the network."""
    mac: str
    """Tells it from all others; empty where it does not say."""
    firmware: str
    """ESPHome's version."""
    project: str
    """Who made what runs on it, and its version."""
    model: str
    area: str
    features: VoiceAssistantFeature
    formats: tuple[MediaPlayerSupportedFormat, ...]

    @property
    def assists(self) -> bool:
        """Whether it is a voice assistant at all."""
        return bool(self.features)

    @property
    def is_linux(self) -> bool:
        """Whether it is the Open Home Foundation's linux-voice-assistant."""
        return LINUX_VOICE_ASSISTANT in f"{self.project} {self.model}".lower().replace("-", " ")

    @property
    def plays_urls(self) -> bool:
        """Whether speech is fetched by it, and not sent to it."""
        return VoiceAssistantFeature.SPEAKER not in self.features

    @property
    def api_audio(self) -> bool:
        """Whether its sound comes over the connection; old firmware sends it by UDP."""
        return VoiceAssistantFeature.API_AUDIO in self.features

    @property
    def announces(self) -> bool:
        """Whether it says what it was not asked for."""
        return VoiceAssistantFeature.ANNOUNCE in self.features

    @property
    def shows_timers(self) -> bool:
        """Whether it counts timers down and rings them."""
        return VoiceAssistantFeature.TIMERS in self.features

    @property
    def form(self) -> SpeechFormat:
        """What it wants to fetch."""
        # Who names no format gets what Home Assistant gives it; mpv waits for much of a WAV, and begins FLAC at once.
        return wanted_format(self.formats, otherwise="flac" if self.is_linux else "mp3")

    def traits(self, settings: Esphome, device: EsphomeDevice) -> Traits:
        """What it can do and is to do."""
        full_duplex = self.is_linux if device.barge_in is None else device.barge_in
        follows_up = settings.follow_up > 0
        return Traits(
            plays_urls=self.plays_urls,
            starts_early=self.is_linux or _version(self.firmware) >= STREAMS_SINCE,
            full_duplex=full_duplex,
            announces=self.announces,
            follows_up=follows_up,
            listens_after=follows_up and VoiceAssistantFeature.START_CONVERSATION in self.features,
        )


def profile_of(info: DeviceInfo, features: int, entities: Iterable[EntityInfo]) -> Profile:
    """Put together what a device has said."""
    formats = [form for each in entities if isinstance(each, MediaPlayerInfo) for form in each.supported_formats]
    return Profile(
        name=_plain(info.name),
        mac=_plain(info.mac_address).upper(),
        firmware=_plain(info.esphome_version),
        project=_plain(" ".join(filter(None, (info.project_name, info.project_version)))),
        model=_plain(info.model),
        area=_plain(info.area.name or info.suggested_area),
        features=VoiceAssistantFeature(features & sum(VoiceAssistantFeature)),
        formats=tuple(formats),
    )


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:LONGEST_NAME]


def _version(text: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
