import pytest

from satellites.sip.stack import place_of


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("fritz.box", ("fritz.box", None)),
        ("pbx.example.org:5061", ("pbx.example.org", 5061)),
        ("[fd00::1]", ("fd00::1", None)),
        ("[fd00::1]:5070", ("fd00::1", 5070)),
    ],
)
def test_a_server_is_read_as_settings_name_it(server: str, place: tuple[str, int | None]):
    assert place_of(server) == place
