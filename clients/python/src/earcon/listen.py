"""Receives a mix: Opus packets over a WebSocket, or the Ogg stream into a file."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias

from websockets.exceptions import InvalidURI, WebSocketException

from .backoff import backoff
from .errors import EarconError
from .model import Labels
from .socket import open_socket

SILENCE_S = 8.0
"""Idle timeout in seconds. A mix sends a packet every 20 ms."""
SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """The format of the packets. It is the first item of each connection."""

    sample_rate: int
    channels: int
    frame_ms: int
    pre_skip: int


@dataclass(frozen=True, slots=True)
class Packet:
    """One Opus packet. A jump in `number` means that packets were dropped."""

    number: int
    opus: bytes


@dataclass(frozen=True, slots=True)
class Voice:
    """A series that sounds."""

    kpi: str
    labels: Labels
    role: Literal["voice", "bed"]
    pitch_hz: float
    pan: float
    """Stereo position, -1 (left) to 1 (right)."""
    prominence: float
    """Prominence, 0 (background) to 1 (foreground)."""


@dataclass(frozen=True, slots=True)
class Voices:
    """The voices that sound from now on."""

    voices: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """A short sound for an event. `anomaly` and `incident` are those it is about, if any."""

    kind: Literal["opened", "closed", "stalled", "restored", "summary"]
    severity: Literal["info", "warning", "critical"]
    kpi: str
    labels: Labels
    anomaly: str | None
    incident: str | None


Sound: TypeAlias = AudioConfig | Packet | Voices | Cue


async def sounds(url: str, headers: dict[str, str]) -> AsyncGenerator[Sound, None]:
    """Delivers packets, voices and cues until the iterator is closed. Reconnects automatically.

    Packets that were missed are not repeated. Raises ApiError if the server answers 401 or 403.
    """
    failures = 0
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                socket = await open_socket(url, headers)
            async with socket:
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        message = await socket.recv()
                    sound = parse(message)
                    if sound is not None:
                        failures = 0
                        yield sound
        except InvalidURI:
            raise
        except (OSError, TimeoutError, WebSocketException, EOFError):
            failures += 1
        await asyncio.sleep(backoff(max(1, failures), random.random()))


def parse(message: str | bytes) -> Sound | None:
    """Decodes a message. Returns None for a type that this version does not know."""
    if isinstance(message, bytes):
        return Packet(int.from_bytes(message[:8], "big"), message[8:]) if len(message) > 8 else None
    try:
        fields = json.loads(message)
        match fields["type"]:
            case "config":
                return AudioConfig(*(fields[name] for name in AudioConfig.__slots__))
            case "voices":
                return Voices(tuple(_voice(voice) for voice in fields["voices"]))
            case "cue":
                return Cue(*(fields[name] for name in Cue.__slots__))
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _voice(fields: Mapping[str, Any]) -> Voice:
    return Voice(*(fields[name] for name in Voice.__slots__))


async def save_ogg(chunks: AsyncIterator[bytes], file: BinaryIO, seconds: float) -> float:
    """Writes whole Ogg pages until they contain `seconds` of audio. Returns the duration written.

    The last page gets the end-of-stream flag. Raises EarconError if the stream is not Ogg.
    """
    buffer = bytearray()
    pages = 0
    begin: int | None = None
    async for chunk in chunks:
        buffer += chunk
        while (length := _page_length(buffer)) is not None:
            page = bytes(buffer[:length])
            del buffer[:length]
            pages += 1
            if pages <= 2:
                # The first two pages are headers without audio.
                file.write(page)
                continue
            position = int.from_bytes(page[6:14], "little", signed=True)
            begin = position - _page_duration(page) if begin is None else begin
            ended = position - begin >= seconds * SAMPLE_RATE
            file.write(_last(page) if ended else page)
            if ended:
                return (position - begin) / SAMPLE_RATE
    raise EarconError(f"the stream ended after {pages} pages, before it contained {seconds} s")


def _page_length(buffer: bytearray) -> int | None:
    """Returns the length of the first page (RFC 3533), or None if the page is incomplete."""
    if len(buffer) < 27:
        return None
    if buffer[:4] != b"OggS":
        raise EarconError("this is not an Ogg stream")
    segments = buffer[26]
    if len(buffer) < 27 + segments:
        return None
    length = 27 + segments + sum(buffer[27 : 27 + segments])
    return length if len(buffer) >= length else None


def _page_duration(page: bytes) -> int:
    """Returns the number of samples in a page of 20 ms packets.

    A segment of less than 255 bytes ends a packet.
    """
    return sum(1 for segment in page[27 : 27 + page[26]] if segment < 255) * SAMPLE_RATE // 50


def _last(page: bytes) -> bytes:
    """Returns the page with the end-of-stream flag and a new checksum."""
    changed = bytearray(page)
    changed[5] |= 4
    changed[22:26] = bytes(4)
    changed[22:26] = _checksum(changed).to_bytes(4, "little")
    return bytes(changed)


def _checksum(page: bytearray) -> int:
    """CRC-32 with polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533)."""
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = ((checksum << 1) ^ (0x04C11DB7 if checksum & 0x80000000 else 0)) & 0xFFFFFFFF
    return checksum
