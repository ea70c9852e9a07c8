// Sound for a conversation over a websocket: the microphone as samples, and samples as a stream to be played.
import type { Microphone } from "./microphone";

const PLAYED_RATE = 24_000;
const HEARD_RATE = 16_000;

function worklet(name: string): URL {
  return new URL(`page/${name}.worklet.js`, document.baseURI);
}

export class Wires {
  /** The assistant's sound. */
  voice = new MediaStream();
  private send: (samples: ArrayBuffer) => void = () => {};
  private hearing: AudioContext | null = null;
  private playing: AudioContext | null = null;
  private player: AudioWorkletNode | null = null;

  constructor(private readonly microphone: Microphone) {}

  async open(): Promise<void> {
    const playing = new AudioContext({ sampleRate: PLAYED_RATE });
    this.playing = playing;
    await playing.audioWorklet.addModule(worklet("playback"));
    this.player = new AudioWorkletNode(playing, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    const end = playing.createMediaStreamDestination();
    this.player.connect(end);
    this.voice = end.stream;
    await this.listen();
  }

  /** Sends what the microphone hears from now on, where there is one. */
  async listen(): Promise<void> {
    void this.hearing?.close();
    this.hearing = null;
    const { stream } = this.microphone;
    if (!stream) return;
    const { context, source } = listening(stream);
    this.hearing = context;
    await context.audioWorklet.addModule(worklet("capture"));
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.send(data);
    source.connect(node);
  }

  /** Forgets what has not been played yet. */
  drop(): void {
    this.player?.port.postMessage("drop");
  }

  // What Pipecat's transport asks of its media manager.

  setUserAudioCallback(send: (samples: ArrayBuffer) => void): void {
    this.send = send;
  }

  bufferBotAudio(samples: ArrayBuffer | Int16Array): Int16Array {
    // A message's bytes may begin anywhere, and samples only at even places.
    const bytes = samples instanceof Int16Array ? samples : new Int16Array(samples.slice(0, samples.byteLength & ~1));
    this.player?.port.postMessage(bytes);
    return bytes;
  }

  async connect(): Promise<void> {
    await this.open();
  }

  async disconnect(): Promise<void> {
    void this.hearing?.close();
    void this.playing?.close();
    this.hearing = this.playing = this.player = null;
  }

  async initialize(): Promise<void> {}
  setClientOptions(): void {}
  enableMic(enable: boolean): void {
    this.microphone.enableMic(enable);
  }
  get isMicEnabled(): boolean {
    return this.microphone.isMicEnabled;
  }
  tracks(): object {
    return { local: {} };
  }
}

/** Firefox lets a microphone's sound only into a context of its own rate. */
function listening(stream: MediaStream): { context: AudioContext; source: MediaStreamAudioSourceNode } {
  try {
    const context = new AudioContext({ sampleRate: HEARD_RATE });
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    const context = new AudioContext();
    return { context, source: context.createMediaStreamSource(stream) };
  }
}
