"""The device's side of ESPHome's native API: the bytes of a connection, in plain text or under Noise.

The framing is described at https://developers.esphome.io/architecture/api/protocol_details/.
"""

import asyncio
import base64
from typing import Protocol

from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from cryptography.exceptions import InvalidTag
from google.protobuf.message import Message
from noise.connection import NoiseConnection

NUMBERS = {kind: number for number, kind in MESSAGE_TYPE_TO_PROTO.items()}
NOISE = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"


class Wire(Protocol):
    async def receive(self) -> Message: ...

    def send(self, message: Message) -> None: ...


class PlainWire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self) -> Message:
        marker = await self._reader.readexactly(1)
        if marker != b"\0":
            self._writer.write(b"\0\0\0")
            raise ConnectionError("this device does not encrypt")
        length, number = await self._number(), await self._number()
        return MESSAGE_TYPE_TO_PROTO[number].FromString(await self._reader.readexactly(length))

    def send(self, message: Message) -> None:
        data = message.SerializeToString()
        self._writer.write(b"\0" + _varint(len(data)) + _varint(NUMBERS[type(message)]) + data)

    async def _number(self) -> int:
        value = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value


class NoiseWire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader, self._writer = reader, writer
        self._noise = NoiseConnection.from_name(NOISE)
        self._noise.set_as_responder()
        self._noise.set_psks(base64.b64decode(key))
        self._noise.set_prologue(b"NoiseAPIInit\0\0")
        self._noise.start_handshake()

    async def shake_hands(self, name: str, mac: str) -> None:
        if await self._reader.readexactly(1) == b"\0":
            # What firmware says to who does not encrypt.
            self._writer.write(b"\x01\0\0")
            raise ConnectionError("this device encrypts")
        await self._reader.readexactly(2)
        self._write(b"\x01" + name.encode() + b"\0" + mac.replace(":", "").lower().encode() + b"\0")
        hello = await self._frame()
        try:
            self._noise.read_message(hello[1:])
        except InvalidTag:
            self._write(b"\x01Handshake MAC failure")
            raise ConnectionError("the key is another") from None
        self._write(b"\0" + bytes(self._noise.write_message()))

    async def receive(self) -> Message:
        frame = bytes(self._noise.decrypt(await self._frame()))
        return MESSAGE_TYPE_TO_PROTO[int.from_bytes(frame[:2])].FromString(frame[4:])

    def send(self, message: Message) -> None:
        data = message.SerializeToString()
        header = NUMBERS[type(message)].to_bytes(2) + len(data).to_bytes(2)
        self._write(bytes(self._noise.encrypt(header + data)))

    async def _frame(self) -> bytes:
        header = await self._reader.readexactly(3)
        return await self._reader.readexactly(int.from_bytes(header[1:]))

    def _write(self, frame: bytes) -> None:
        self._writer.write(b"\x01" + len(frame).to_bytes(2) + frame)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
