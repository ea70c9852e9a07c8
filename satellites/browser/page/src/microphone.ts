// The media manager of the WebRTC transport: one microphone, which outlives a lost connection.
// (The packaged WavMediaManager also records the microphone as PCM, which WebRTC does not need.)
import type { PipecatClientOptions, Tracks } from "@pipecat-ai/client-js";

const CONSTRAINTS: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};

export class Microphone {
  stream: MediaStream | null = null;
  isMicEnabled = false;
  readonly isCamEnabled = false;
  readonly isSharingScreen = false;
  readonly supportsScreenShare = false;
  readonly selectedMic = {};
  readonly selectedCam = {};
  readonly selectedSpeaker = {};
  /** The one that was chosen; the device's own where it is empty, or is not there any more. */
  preferred = "";
  private sent: MediaStreamTrack | undefined;

  /** Asks for the microphone; rejects with getUserMedia's DOMException. */
  async open(): Promise<void> {
    if (this.stream?.getAudioTracks()[0]?.readyState === "live") return;
    const deviceId = this.preferred ? { deviceId: { ideal: this.preferred } } : {};
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: { ...CONSTRAINTS, ...deviceId } });
    this.isMicEnabled = true;
  }

  close(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.sent = undefined;
    this.isMicEnabled = false;
  }

  /** A track for a new connection. The transport stops what it sends when it closes, so it is given a clone. */
  renew(): MediaStreamTrack | undefined {
    this.sent = this.stream?.getAudioTracks()[0]?.clone();
    this.enableMic(this.isMicEnabled);
    return this.sent;
  }

  tracks(): Tracks {
    const track = this.sent?.readyState === "live" ? this.sent : this.renew();
    return { local: track ? { audio: track } : {} };
  }

  enableMic(enable: boolean): void {
    this.isMicEnabled = enable && this.stream !== null;
    for (const track of [this.sent, ...(this.stream?.getTracks() ?? [])]) {
      if (track) track.enabled = this.isMicEnabled;
    }
  }

  setClientOptions(_options: PipecatClientOptions): void {}
  async initialize(): Promise<void> {}
  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async getAllMics(): Promise<MediaDeviceInfo[]> {
    return [];
  }
  async getAllCams(): Promise<MediaDeviceInfo[]> {
    return [];
  }
  async getAllSpeakers(): Promise<MediaDeviceInfo[]> {
    return [];
  }
}
