import asyncio
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from satellites.esphome.encoding import SpeechFormat
from satellites.esphome.speech import Speech, SpeechServer
from tests.satellites.esphome.device import decoded

WAV = SpeechFormat("wav", 24_000)
SOUND = (np.ones(2400) * 8000).astype("<i2").tobytes()


@pytest.fixture
async def server() -> AsyncIterator[SpeechServer]:
    async with SpeechServer("127.0.0.1", 0) as server:
        yield server


async def test_speech_is_fetched_once_under_an_address_that_cannot_be_guessed(server: SpeechServer) -> None:
    async with server.offering("127.0.0.1") as shelf, httpx.AsyncClient() as http:
        speech = Speech(WAV, lambda: None)
        url = shelf.offer(speech)
        assert len(url.rsplit("/", 1)[1]) > 40
        speech.write(SOUND)
        speech.close()
        assert (await http.head(url)).headers["content-type"] == "audio/wav"
        answer = await http.get(url)
        assert answer.headers["content-type"] == "audio/wav"
        assert len(decoded(answer.content)[0]) == 2400
        assert (await http.get(url)).status_code == 404
        assert (await http.get(url.rsplit("/", 1)[0] + "/guessed.wav")).status_code == 404


async def test_what_is_offered_anew_takes_the_place_of_what_nobody_fetched(server: SpeechServer) -> None:
    async with httpx.AsyncClient() as http:
        async with server.offering("127.0.0.1") as shelf:
            first = shelf.offer(Speech(WAV, lambda: None))
            second = shelf.offer(Speech(WAV, lambda: None))
            assert (await http.get(first)).status_code == 404
        assert (await http.get(second)).status_code == 404


async def test_silence_is_sent_where_an_answer_pauses(server: SpeechServer) -> None:
    async with server.offering("127.0.0.1") as shelf, httpx.AsyncClient() as http:
        speech = Speech(WAV, lambda: None)
        fetching = asyncio.create_task(http.get(shelf.offer(speech)))
        speech.write(SOUND)
        await asyncio.sleep(1.0)
        speech.write(SOUND)
        speech.close()
        audio, rate = decoded((await fetching).content)
        assert len(audio) / rate > 0.9
        assert np.count_nonzero(audio > 0.2) == 4800


async def test_a_player_that_leaves_is_noticed(server: SpeechServer) -> None:
    left = asyncio.Event()
    async with server.offering("127.0.0.1") as shelf, httpx.AsyncClient() as http:
        speech = Speech(WAV, left.set)
        speech.write(SOUND)
        async with http.stream("GET", shelf.offer(speech)) as answer:
            await anext(answer.aiter_bytes())
        await asyncio.wait_for(left.wait(), 20)


async def test_speech_that_is_broken_off_ends_at_once(server: SpeechServer) -> None:
    async with server.offering("127.0.0.1") as shelf, httpx.AsyncClient() as http:
        speech = Speech(WAV, lambda: None)
        url = shelf.offer(speech)
        speech.write(SOUND)
        speech.close(drop=True)
        speech.write(SOUND)
        assert len((await http.get(url)).content) < 100


async def test_speech_for_a_player_that_never_comes_is_bounded() -> None:
    speech = Speech(WAV, lambda: None)
    for _ in range(5000):
        speech.write(SOUND)
    speech.close()
    assert sum([len(piece) async for piece in speech.pieces()]) < 130 * WAV.rate * 2
