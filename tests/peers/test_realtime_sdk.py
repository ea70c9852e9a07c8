"""The whole assistant in its own process, talked to by OpenAI's official client as a person would speak."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
import pytest_asyncio
import soxr
from openai import AsyncOpenAI

from tests.peers.server import Server, running_server
from tests.satellites.realtime.strict import check
from tests.spoken import RATE, pcm, room_tone, speech
from voice.hypothesis import words_of

FRAME = 0.02
CLIENT_RATE = 24_000
ANSWER_SECONDS = 30.0

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


SHOPPING = (
    "a big bottle of olive oil",
    "three pounds of yellow potatoes",
    "the good bread from the corner",
    "a bag of brown sugar",
    "six cans of peeled tomatoes",
    "a dozen eggs from the market",
    "two liters of orange juice",
    "a small jar of honey",
    "some candles for the table",
    "a new brush for the kitchen",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with running_server(tmp_path_factory.mktemp("data")) as running:
        async with AsyncOpenAI(api_key="none", base_url=f"{running.address}/v1") as client:
            for item in SHOPPING:
                request = {"role": "user", "content": f"Add {item} to the shopping list"}
                await client.chat.completions.create(model="passfel", messages=[request])
        yield running


@dataclass
class Talk:
    """A conversation whose microphone never stops: what is said goes out in real time, and room tone behind it."""

    connection: object
    events: list[dict] = field(default_factory=list)
    arrived: list[tuple[float, bytes]] = field(default_factory=list)
    echo: float = 0.0
    """How much of the assistant's voice comes back into the microphone, as a factor."""
    _played: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    _speech: asyncio.Queue = field(default_factory=asyncio.Queue)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for event in self.connection:
            record = event.model_dump()
            check(event.model_dump(exclude_unset=True))
            if event.type == "response.output_audio.delta":
                sound = base64.b64decode(event.delta)
                self.arrived.append((time.monotonic(), sound))
                self._played = np.concatenate([self._played, np.frombuffer(sound, "<i2") / np.float32(32768)])
            self.events.append(record)
            self._news.set()

    async def stream(self) -> None:
        tone = soxr.resample(room_tone(2.0), RATE, CLIENT_RATE)
        size, sent, begun = int(FRAME * CLIENT_RATE), 0, time.monotonic()
        pending = np.empty(0, dtype=np.float32)
        while True:
            while not self._speech.empty():
                pending = np.concatenate([pending, self._speech.get_nowait()])
            if len(pending):
                frame, pending = pending[:size], pending[size:]
            else:
                at = sent * size % (len(tone) - size)
                frame = tone[at : at + size]
            played, self._played = self._played[:size], self._played[size:]
            frame = frame + self.echo * np.pad(played, (0, size))[: len(frame)]
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm(frame)).decode())
            sent += 1
            await asyncio.sleep(max(0.0, begun + sent * FRAME - time.monotonic()))

    async def say(self, *parts: str | np.ndarray) -> float:
        """Speak; returns how long it takes in seconds."""
        # In a thread: while the voice is made the microphone must not stop, or all of it would come in one burst.
        spoken = [await asyncio.to_thread(speech, part) if isinstance(part, str) else part for part in parts]
        audio = soxr.resample(np.concatenate(spoken), RATE, CLIENT_RATE)
        self._speech.put_nowait(audio)
        return len(audio) / CLIENT_RATE

    def of(self, kind: str) -> list[dict]:
        return [event for event in self.events if event["type"] == kind]

    async def until(self, kind: str, count: int = 1) -> dict:
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(self.of(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.of(kind)[count - 1]

    @property
    def heard(self) -> list[str]:
        return [event["transcript"] for event in self.of("conversation.item.input_audio_transcription.completed")]

    @property
    def answers(self) -> list[str]:
        return [event["transcript"] for event in self.of("response.output_audio_transcript.done")]

    def loudness(self) -> float:
        audio = np.frombuffer(b"".join(chunk for _, chunk in self.arrived), dtype="<i2")
        return float(np.abs(audio).max()) / 32768 if len(audio) else 0.0


@asynccontextmanager
async def talking(server: Server) -> AsyncIterator[Talk]:
    client = AsyncOpenAI(
        api_key="none", base_url=f"{server.address}/v1", websocket_base_url=f"ws://127.0.0.1:{server.port}/v1"
    )
    async with client, client.realtime.connect(model="passfel") as connection:
        talk = Talk(connection)
        tasks = [asyncio.create_task(talk.listen()), asyncio.create_task(talk.stream())]
        try:
            await talk.until("session.created")
            yield talk
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_spoken_question_gets_a_spoken_answer(server: Server) -> None:
    async with talking(server) as talk:
        await talk.say("How many days are in a week?")
        await talk.until("response.done")
        assert words_of(talk.heard[0]) == words_of("How many days are in a week?")
        assert talk.answers[0]
        assert talk.loudness() > 0.05
    record = (await server.turns())[-1]
    assert words_of(record["heard"]) == words_of("How many days are in a week?")
    assert record["answered"]
    timings = record["timings"]
    assert 0 < timings["vad"] < timings["transcribed"] <= timings["decided"]
    assert timings["first_token"] <= timings["first_clause"] <= timings["first_audio"]


async def test_a_pause_in_mid_sentence_does_not_cut_the_turn_in_two(server: Server) -> None:
    async with talking(server) as talk:
        await talk.say("I would like to hear about the", room_tone(1.0), "capital of Spain.")
        await talk.until("response.done")
        await asyncio.sleep(1.0)
        assert len(talk.heard) == 1
        assert "spain" in talk.heard[0].lower()


async def test_noise_is_no_turn(server: Server) -> None:
    async with talking(server) as talk:
        clatter = np.random.default_rng(1).normal(0, 0.2, RATE // 3).astype(np.float32) * np.hanning(RATE // 3).astype(
            np.float32
        )
        await talk.say(room_tone(0.5), clatter, room_tone(1.0), clatter, room_tone(1.5))
        await asyncio.sleep(4.5)
        assert not talk.of("response.created")
        assert not talk.heard


async def ask_for_a_long_answer(talk: Talk) -> None:
    # Twenty seconds, every time: a small model's stories are sometimes over before anybody can interrupt them.
    await talk.connection.conversation.item.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What's on the shopping list?"}],
        }
    )
    await talk.connection.response.create()
    await talk.until("response.output_audio.delta")
    await asyncio.sleep(0.8)


async def test_speech_over_the_answer_stops_it_and_the_context_keeps_what_was_heard(server: Server) -> None:
    async with talking(server) as talk:
        await ask_for_a_long_answer(talk)
        begun = time.monotonic()
        await talk.say("No, wait. How many days are in a week?")
        done = await talk.until("response.done")
        assert done["response"]["status"] == "cancelled"
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        await talk.until("conversation.item.input_audio_transcription.completed")
        sent = sum(len(chunk) for at, chunk in talk.arrived if at < begun + 10) / 2 / CLIENT_RATE
        cut = talk.answers[0]
        async with asyncio.timeout(ANSWER_SECONDS):
            while "days" not in talk.heard[-1]:
                await asyncio.sleep(0.1)
        assert cut
        assert len(cut.split()) / max(sent, 0.1) < 6, "no more words than were spoken"


async def test_its_own_echo_does_not_stop_a_long_answer(server: Server) -> None:
    async with talking(server) as talk:
        talk.echo = 0.2
        await ask_for_a_long_answer(talk)
        await asyncio.sleep(9.0)
        assert not talk.of("input_audio_buffer.speech_started")
        assert not talk.of("response.done")
        talk.echo = 0.0
        await talk.connection.response.cancel()


async def test_stop_means_silence(server: Server) -> None:
    async with talking(server) as talk:
        await ask_for_a_long_answer(talk)
        await talk.say("Stop.")
        assert (await talk.until("response.done"))["response"]["status"] == "cancelled"
        await asyncio.sleep(2.0)
        assert len(talk.of("response.created")) == 1


async def test_a_sign_of_listening_lets_the_answer_go_on(server: Server) -> None:
    async with talking(server) as talk:
        await ask_for_a_long_answer(talk)
        await talk.say("Yeah.", room_tone(1.0), "Mm-hmm.")
        await asyncio.sleep(3.5)
        assert not [(done["response"]["status"], talk.answers) for done in talk.of("response.done")]
        assert not talk.of("input_audio_buffer.speech_started")
        before = len(talk.arrived)
        await asyncio.sleep(1.0)
        latest = np.frombuffer(b"".join(chunk for _, chunk in talk.arrived[before:]), dtype="<i2")
        assert np.abs(latest).max() / 32768 > 0.05, "the voice is back"
        await talk.connection.response.cancel()
        assert (await talk.until("response.done"))["response"]["status"] == "cancelled"


async def test_four_conversations_at_once_all_get_their_answers(server: Server) -> None:
    questions = {
        "How many days are in a week?": "week",
        "What time is it?": "time",
        "What is the capital of Spain?": "spain",
        "Who are you?": "who",
    }

    async def ask(question: str) -> str:
        async with talking(server) as talk:
            await talk.say(question)
            await talk.until("response.done")
            assert questions[question] in talk.heard[0].lower()
            return talk.answers[0]

    assert all(await asyncio.gather(*map(ask, questions)))


async def test_a_client_that_vanishes_leaves_the_others_talking(server: Server) -> None:
    async with talking(server) as talk:
        async with talking(server) as other:
            await ask_for_a_long_answer(other)
        await talk.say("How many days are in a week?")
        await talk.until("response.done")
        assert talk.answers[0]


async def test_bad_input_gets_an_error_and_the_conversation_goes_on(server: Server) -> None:
    async with talking(server) as talk:
        await talk.connection.send_raw("{not json")
        await talk.connection.send_raw('{"type": "no.such.event", "event_id": "mine"}')
        await talk.connection.conversation.item.delete(item_id="item_unknown")
        await talk.until("error", 3)
        assert talk.of("error")[1]["error"]["event_id"] == "mine"
        await talk.say("How many days are in a week?")
        await talk.until("response.done")
        assert talk.answers[0]


async def test_a_named_tool_is_called_and_its_result_is_spoken(server: Server) -> None:
    tool = {
        "type": "function",
        "name": "switch_light",
        "description": "Switch a light",
        "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
    }
    async with talking(server) as talk:
        await talk.connection.session.update(
            session={"type": "realtime", "tools": [tool], "tool_choice": {"type": "function", "name": "switch_light"}}
        )
        await talk.until("session.updated")
        await talk.say("Turn on the kitchen light, please.")
        call = await talk.until("response.function_call_arguments.done")
        assert call["name"] == "switch_light"
        await talk.until("response.done")
        await talk.connection.session.update(session={"type": "realtime", "tool_choice": "none"})
        await talk.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call["call_id"], "output": '{"done": true}'}
        )
        await talk.connection.response.create()
        await talk.until("response.done", 2)
        assert talk.answers[-1]
