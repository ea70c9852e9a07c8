from passfel import main
from satellites.sip.command import told
from tests.peers.sip.phones import free_port

HOUSE = {
    "device": "sip",
    "door": "sip",
    "state": "ready",
    "detail": {
        "listens": "0.0.0.0 port 5060",
        "accounts": {"box": {"state": "refused", "problem": "fritz.box does not accept user or password"}},
        "calls": 1,
        "banned": {"192.0.2.1": 125},
        "problem": None,
    },
}
CALL = {
    "device": "sip:100",
    "door": "sip",
    "state": "talking",
    "detail": {
        "number": "100",
        "person": "ana",
        "seconds": 12,
        "codec_rate": 16000,
        "problem": "nothing is heard",
        "lost": 0.01,
        "jitter_ms": 2.5,
        "round_trip_ms": 40,
        "mos": 4.3,
        "encrypted": True,
    },
}
BARE = {
    "device": "sip:audiosocket",
    "door": "audiosocket",
    "state": "talking",
    "detail": {"seconds": 3, "problem": None},
}


def test_all_of_it_is_told():
    lines = "\n".join(line for each in (HOUSE, CALL, BARE) for line in told(each))
    for part in (
        "telephone   ready",
        "box       refused: fritz.box does not accept",
        "192.0.2.1 for 3 more minutes",
        "ana talking for 12 s, 16 kHz, 1.0% lost, jitter 2.5 ms, round trip 40 ms, estimated MOS 4.3, encrypted",
        "nothing is heard",
        "audiosocket talking for 3 s",
    ):
        assert part in lines


def test_where_the_telephone_is_off_it_says_how_to_turn_it_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sip", "status"]) == 1
    assert "enabled = true below [sip]" in capsys.readouterr().out


def test_where_no_assistant_runs_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PASSFEL_SIP__ENABLED", "true")
    monkeypatch.setenv("PASSFEL_PORT", str(free_port()))
    assert main(["sip", "status"]) == 1
    assert "passfel serve" in capsys.readouterr().err
