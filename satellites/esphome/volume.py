"""How loud a device's player is, for who asks the assistant to speak louder there."""

from collections.abc import Iterable

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import APIConnectionError
from aioesphomeapi.model import (
    APIVersion,
    EntityInfo,
    EntityState,
    MediaPlayerEntityFeature,
    MediaPlayerEntityState,
    MediaPlayerInfo,
)
from loguru import logger


def adjustable(entities: Iterable[EntityInfo], version: APIVersion) -> MediaPlayerInfo | None:
    """Return the player whose volume is the device's, if it has one."""
    players = (each for each in entities if isinstance(each, MediaPlayerInfo))
    wanted = MediaPlayerEntityFeature.VOLUME_SET
    return next((each for each in players if each.feature_flags_compat(version) & wanted), None)


class PlayerVolume:
    """One player's, while its device is connected.

    Args:
        client: the connection.
        player: what is played on.
    """

    def __init__(self, client: APIClient, player: MediaPlayerInfo) -> None:
        self._client = client
        self._player = player
        self._level: float | None = None

    @property
    def known(self) -> bool:
        """Whether the device has told how loud it is."""
        return self._level is not None

    @property
    def volume(self) -> float:
        """0 to 1."""
        return 1.0 if self._level is None else self._level

    @volume.setter
    def volume(self, volume: float) -> None:
        self._level = volume
        try:
            self._client.media_player_command(self._player.key, volume=volume, device_id=self._player.device_id)
        except APIConnectionError as error:
            # Its session ends next.
            logger.debug("a device is not told how loud to be: {}", error)

    def see(self, state: EntityState) -> None:
        """Take what the device tells of itself."""
        same = (state.key, state.device_id) == (self._player.key, self._player.device_id)
        if same and isinstance(state, MediaPlayerEntityState):
            self._level = min(1.0, max(0.0, state.volume))
