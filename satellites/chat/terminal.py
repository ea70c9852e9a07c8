"""`passfel chat`: a conversation with a running assistant, typed in a terminal or piped in line by line."""

import contextlib
import json
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import httpx

from satellites.chat import MODEL, PATH

PROMPT: Final = "> "

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 120.0
"""Seconds between two pieces of an answer; the assistant itself gives up sooner."""

KEPT_MESSAGES = 401
"""The latest, which go along with each question: 200 turns and the question."""

# What a terminal would obey instead of showing: a model may repeat what some web page or calendar says.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ChatFailed(Exception):  # noqa: N818 - reads as what happened
    """There is no use in going on; the message is one line and says what to do."""


class NotAnswered(Exception):  # noqa: N818 - reads as what happened
    """The assistant did not answer this; the message is one line. The next may be answered."""


@dataclass
class Conversation:
    """What was said so far, and the way to the assistant."""

    client: httpx.Client
    messages: list[dict[str, str]] = field(default_factory=list)
    _name: str = field(default_factory=lambda: uuid4().hex)

    def say(self, text: str) -> Generator[str]:
        """Say `text` and yield the answer as it comes.

        Closing the iterator stops the assistant; what it had said until then stays in the conversation. Raises
        `NotAnswered`, and then forgets `text`, or `ChatFailed`.
        """
        self.messages = [*self.messages, {"role": "user", "content": text}][-KEPT_MESSAGES:]
        words: list[str] = []
        try:
            with self._asked() as response:
                for data in _events(response):
                    words.append(_words(data))
                    yield words[-1]
        finally:
            if said := "".join(words):
                self.messages.append({"role": "assistant", "content": said})
            else:
                self.messages.pop()

    @contextmanager
    def _asked(self) -> Iterator[httpx.Response]:
        body = {"model": MODEL, "messages": self.messages, "stream": True, "prompt_cache_key": self._name}
        try:
            with self.client.stream("POST", PATH, json=body) as response:
                if response.status_code != HTTPStatus.OK:
                    response.read()
                    _refused(response)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            where = str(self.client.base_url).rstrip("/")
            raise ChatFailed(f"no assistant answers at {where}: start one with passfel serve") from error
        except httpx.HTTPError as error:
            raise NotAnswered(f"the answer broke off: {error or type(error).__name__}") from error


def chat(*, server: str, token: str | None) -> bool:
    """Talk in writing with the assistant at `server` (http://host:port): what stdin says is answered on stdout.

    Each line is said by itself. At a terminal, Ctrl-C stops an answer, and where there is none it leaves, as Ctrl-D
    does. Returns whether everything was answered; what was not is told on stderr.

    Raises:
        ChatFailed: no assistant is there, or it does not let us in.
        KeyboardInterrupt: somebody leaves by Ctrl-C.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    typing = sys.stdin.isatty()
    answered = True
    with httpx.Client(base_url=server, headers=headers, timeout=timeout, trust_env=False) as client:
        conversation = Conversation(client)
        for line in _typed() if typing else sys.stdin:
            # What is piped in may be in another encoding.
            text = line.strip().encode(errors="replace").decode()
            if text:
                answered = _take_turn(conversation, text, stoppable=typing) and answered
    return answered


def _typed() -> Iterator[str]:
    """The lines that a person types, with a history and editing where the system has readline, until Ctrl-D."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - input() edits lines once it is imported
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return


def _take_turn(conversation: Conversation, text: str, *, stoppable: bool) -> bool:
    answer = conversation.say(text)
    problem: NotAnswered | None = None
    begun = False
    try:
        for words in answer:
            begun = True
            print(_CONTROL.sub("", words), end="", flush=True)
    except KeyboardInterrupt:
        if not stoppable:
            raise
        begun = True
    except NotAnswered as caught:
        problem = caught
    finally:
        answer.close()
    if begun:
        print(flush=True)
    if problem is not None:
        print(f"passfel: {problem}", file=sys.stderr)
    return problem is None


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of server-sent events, as this door sends them: one line of JSON each."""
    for line in response.iter_lines():
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            return
        if data != line:
            yield json.loads(data)
    raise NotAnswered("the answer broke off: the assistant hung up")


def _words(data: dict[str, Any]) -> str:
    if "error" in data:
        raise NotAnswered(data["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in data["choices"])


def _refused(response: httpx.Response) -> None:
    try:
        reason = str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        raise ChatFailed(f"no assistant of ours is at {response.url}: it answers {response.status_code}") from None
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ChatFailed(f"the assistant refuses: {reason}")
    raise NotAnswered(reason)
