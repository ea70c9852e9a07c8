"""A softphone made of pjsua2, in a process of its own: PJSIP has global state, threads, and one life a process.

It reads commands and writes what happens, each a line of JSON. It has no sound card: what it says comes from WAV files,
and what it hears goes into one. With the option `clock` it also tells when, in monotonic seconds.
"""

import base64
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pjsua2 as pj

RATE = 16_000
QUIET = 100
"""Amplitude of a 16-bit sample up to which nobody hears it."""
_lock = threading.Lock()
_original = sys.stdout


def tell(event: str, **more: Any) -> None:
    with _lock:
        print(json.dumps({"event": event, **more}), file=_original, flush=True)


class Ear(pj.AudioMediaPort):
    """Hands on what is heard at a place of the phone, 20 ms at a time, as it is heard."""

    def __init__(self, hear: Callable[[float, bytes], None]) -> None:
        super().__init__()
        self._hear = hear
        form = pj.MediaFormatAudio()
        form.init(pj.PJMEDIA_FORMAT_PCM, RATE, 1, 20_000, 16)
        self.createPort("ear", form)

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:  # noqa: N802
        if frame.type == pj.PJMEDIA_FRAME_TYPE_AUDIO:
            self._hear(time.monotonic(), bytes(frame.buf))


class Talk(pj.Call):
    """One call, whose sound is recorded."""

    clocked = False

    def __init__(self, account: "Account", number: int, folder: Path) -> None:
        super().__init__(account, number)
        self.account = account
        self.next: Talk | None = None
        """What it becomes where the other side puts it through."""
        self.folder = folder
        self.recorder: pj.AudioMediaRecorder | None = None
        self.media: pj.AudioMedia | None = None
        self.players: list[pj.AudioMediaPlayer] = []
        self.ears: list[Ear] = []
        self.echoing = 0.0

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802
        info = self.getInfo()
        tell("state", call=info.id, state=info.stateText, status=info.lastStatusCode, reason=info.lastReason)

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            codec = ""
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.media = self.getAudioMedia(index)
                if self.recorder is None:
                    self.recorder = pj.AudioMediaRecorder()
                    self.recorder.createRecorder(str(self.folder / f"{info.id}.wav"))
                    if self.clocked:
                        self.ears.append(Ear(self._heard))
                        self.media.startTransmit(self.ears[0])
                self.media.startTransmit(self.recorder)
                if self.echoing:
                    self.echo(self.echoing)
                codec = self.getStreamInfo(index).codecName
            tell("media", call=info.id, status=media.status, codec=codec)

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:  # noqa: N802
        tell("digit", call=self.getId(), digit=prm.digit)

    def play(self, file: str) -> None:
        player = pj.AudioMediaPlayer()
        player.createPlayer(file, pj.PJMEDIA_FILE_NO_LOOP)
        self.players.append(player)
        if self.clocked:
            self.ears.append(Ear(_once(lambda at: tell("began", file=file, at=at))))
            player.startTransmit(self.ears[-1])
        player.startTransmit(self.media)

    def _heard(self, at: float, pcm: bytes) -> None:
        if any(abs(each) > QUIET for each in memoryview(pcm).cast("h")):
            tell("heard", at=at, pcm=base64.b64encode(pcm).decode())

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:  # noqa: N802
        tell("transfer", to=prm.dstUri)
        self.next = Talk(self.account, pj.PJSUA_INVALID_ID, self.folder)
        prm.newCall = self.next

    def echo(self, level: float) -> None:
        """Send back what is heard, as a loud handset does."""
        self.echoing = level
        how = pj.AudioMediaTransmitParam()
        how.level = level
        self.media.startTransmit2(self.media, how)


def _once(do: Callable[[float], None]) -> Callable[[float, bytes], None]:
    """Do it at the first sound alone."""
    begun = threading.Event()

    def hear(at: float, _: bytes) -> None:
        if not begun.is_set():
            begun.set()
            do(at)

    return hear


class Account(pj.Account):
    """Answers nothing by itself."""

    phone: "Softphone"

    def onRegState(self, prm: pj.OnRegStateParam) -> None:  # noqa: N802
        tell("registered", status=prm.code, reason=prm.reason)

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        self.phone.incoming(prm.callId)


class Softphone:
    """Runs the commands."""

    def __init__(self, options: dict[str, Any], folder: Path) -> None:
        self.options, self.folder = options, folder
        Talk.clocked = bool(options.get("clock"))
        self.calls: dict[int, Talk] = {}
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.consoleLevel = 0
        config.logConfig.level = 5 if options.get("log") else 0
        config.logConfig.filename = str(folder / "pjsip.log") if options.get("log") else ""
        config.uaConfig.threadCnt = 1
        config.uaConfig.maxCalls = 32
        config.medConfig.clockRate = RATE
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = transport.publicAddress = "127.0.0.1"
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
        self.endpoint.transportCreate(kind[options.get("transport", "udp")], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        if options.get("codecs"):
            for codec in self.endpoint.codecEnum2():
                wanted = [each for each in options["codecs"] if codec.codecId.lower().startswith(each.lower())]
                priority = 200 - options["codecs"].index(wanted[0]) if wanted else 0
                self.endpoint.codecSetPriority(codec.codecId, priority)
        account = pj.AccountConfig()
        account.idUri = options.get("id", "sip:100@127.0.0.1")
        account.natConfig.contactRewriteUse = 0
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        account.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
        account.mediaConfig.srtpUse = options.get("srtp", 0)
        account.mediaConfig.srtpSecureSignaling = 0
        if options.get("keying"):
            keying = {"sdes": pj.PJMEDIA_SRTP_KEYING_SDES, "dtls": pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP}
            account.mediaConfig.srtpOpt.keyings = pj.IntVector([keying[options["keying"]]])
        if options.get("registrar"):
            account.regConfig.registrarUri = options["registrar"]
            account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", options["user"], 0, options["password"]))
        self.account = Account()
        self.account.phone = self
        self.account.create(account)
        tell("ready")

    def incoming(self, number: int) -> None:
        call = self.calls[number] = Talk(self.account, number, self.folder)
        tell("incoming", call=number, peer=call.getInfo().remoteUri)
        if self.options.get("answer"):
            self.answer(call, self.options["answer"])

    def answer(self, call: Talk, status: int) -> None:
        """Answer a call; 183 has it heard before it is taken."""
        answer = pj.CallOpParam()
        answer.statusCode = status
        call.answer(answer)

    def do(self, command: dict[str, Any]) -> None:
        match command["do"]:
            case "call":
                call = Talk(self.account, pj.PJSUA_INVALID_ID, self.folder)
                call.makeCall(command["uri"], pj.CallOpParam(True))
                self.calls[call.getId()] = call
                tell("calling", call=call.getId())
            case "play":
                self._call(command).play(command["file"])
            case "echo":
                self._call(command).echo(command["level"])
            case "digits":
                self._call(command).dialDtmf(command["digits"])
            case "answer":
                self.answer(self._call(command), command["status"])
            case "hold":
                self._call(command).setHold(pj.CallOpParam(True))
            case "resume":
                resume = pj.CallOpParam(True)
                resume.opt.flag = pj.PJSUA_CALL_UNHOLD
                self._call(command).reinvite(resume)
            case "hangup":
                self._call(command).hangup(pj.CallOpParam(True))

    def _call(self, command: dict[str, Any]) -> Talk:
        return self.calls[command.get("call", max(self.calls, default=0))]

    def close(self) -> None:
        self.endpoint.hangupAllCalls()
        self.calls.clear()
        # Only who is registered has to wait for an answer: a registrar wants to know who leaves.
        self.endpoint.libDestroy(0 if self.options.get("registrar") else pj.PJSUA_DESTROY_NO_RX_MSG)


def main() -> None:
    phone = Softphone(json.loads(sys.argv[1]), Path(sys.argv[2]))
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "quit":
            break
        try:
            phone.do(command)
        except pj.Error as error:
            tell("error", command=command, why=error.info())
    phone.close()


if __name__ == "__main__":
    main()
