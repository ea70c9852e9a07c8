"""The assistant's own words as they are heard, by which their echo is told from somebody who speaks."""

from collections.abc import Callable

from pipecat.frames.frames import Frame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class OwnWords(FrameProcessor):
    """Tells each word behind the transport's output, which lets it through when it is heard.

    A long answer is spoken by Piper in a tenth of the time that it lasts: in front of the output its end would be known
    while its beginning is heard.

    Args:
        on_word: told.
    """

    def __init__(self, on_word: Callable[[str], None]) -> None:
        super().__init__()
        self._on_word = on_word

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let everything pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            self._on_word(frame.text)
        await self.push_frame(frame, direction)
