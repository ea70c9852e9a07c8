"""The check itself must be able to fail."""

import pytest

from tests.satellites.realtime.strict import check

CLEARED = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}
ERROR = {"type": "error", "event_id": "event_1", "error": {"type": "invalid_request_error", "message": "m"}}


def test_a_right_event_passes():
    check(CLEARED)
    check(ERROR)


@pytest.mark.parametrize(
    "event",
    [
        {**CLEARED, "type": "input_audio_buffer.emptied"},
        {"type": "input_audio_buffer.cleared"},
        {**CLEARED, "item_id": "item_1"},
        {**ERROR, "error": {"type": "invalid_request_error"}},
        {**ERROR, "error": {**ERROR["error"], "hint": "h"}},
        {**ERROR, "error": {**ERROR["error"], "code": 5}},
    ],
)
def test_a_wrong_event_fails(event):
    with pytest.raises((AssertionError, ValueError)):
        check(event)
