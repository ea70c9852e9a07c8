// One conversation with the server: connecting, staying connected, and what the server tells of it.
import { LogLevel, PipecatClient, type RTVIMessage } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";
import { ask, deviceName } from "./api";
import { Microphone } from "./microphone";
import { INSECURE, LOST, OLD, type Problem, STARTING, UNREACHABLE, microphoneProblem, refusal } from "./problems";
import { SocketTransport } from "./socket";
import type { Turn } from "./timings";
import { Wires } from "./wires";
import { words } from "./words";

export type State = "idle" | "connecting" | "listening" | "thinking" | "speaking";

export interface Listener {
  state(state: State): void;
  problem(problem: Problem | null): void;
  /** The assistant's sound, to be played. */
  voice(stream: MediaStream): void;
  /** Drop what is still being played of the assistant's sound, or let it be heard again. */
  silence(silent: boolean): void;
  heard(text: string, final: boolean): void;
  said(text: string): void;
  interrupted(): void;
  turn(turn: Turn): void;
  tool(tool: Tool): void;
}

/** What the server tells of a tool: that it is at work, or what came of it. */
export interface Tool {
  tool: string;
  status: "running" | "done" | "failed" | "invalid" | "refused" | "unconfirmed";
  data: Record<string, unknown>;
}

/** Seconds of waiting before each attempt to connect again; the last one repeats. */
const BACKOFF = [0.5, 1, 2, 4, 8, 15];
const CONNECT_TIMEOUT = 15_000;
/** After which WebRTC has found no way: inside a house it takes a tenth of a second. */
const PATH_TIMEOUT = 6_000;
const PROBE_TIMEOUT = 3_000;
/** How long the assistant may think before the page stops showing it. */
const THINKING_LIMIT = 20_000;
const HEALTH_PERIOD = 1_000;

class PeerTransport extends SmallWebRTCTransport {
  declare readonly pc: RTCPeerConnection | null;

  /** Lets the browser gather no more sound before it plays than the network makes it. */
  playAtOnce(track: MediaStreamTrack): void {
    const receiver = this.pc?.getReceivers().find((each) => each.track === track);
    if (receiver) Object.assign(receiver, { jitterBufferTarget: 0 });
  }
}

class Client extends PipecatClient {
  onInterrupted = (): void => {};

  // The library does not know this message (RTVI 2.2) yet.
  protected override handleMessage(message: RTVIMessage): void {
    if ((message.type as string) === "bot-interrupted") this.onInterrupted();
    else super.handleMessage(message);
  }
}

export class Session {
  readonly microphone = new Microphone();
  private state: State = "idle";
  private client: Client | null = null;
  private transport: PeerTransport | SocketTransport | null = null;
  /** Whether this network lets WebRTC through, as far as is known. */
  private blocked = false;
  private wanted = false;
  private connected = false;
  private attempts = 0;
  private retry: number | undefined;
  private thinking: number | undefined;
  private health: number | undefined;
  /** Typed, and not sent yet. */
  private pending: string[] = [];
  /** Sent, and without any sign yet that it has arrived. */
  private unanswered: string | null = null;

  constructor(private readonly listener: Listener) {
    const again = () => {
      if (this.retry !== undefined && document.visibilityState === "visible") this.reconnect(0);
    };
    window.addEventListener("online", () => {
      this.blocked = false; // it may be another network
      again();
    });
    document.addEventListener("visibilitychange", again);
  }

  get live(): boolean {
    return this.wanted;
  }

  /** Starts to talk: asks for the microphone, and connects unless a typed message already did. */
  async talk(): Promise<void> {
    this.listener.problem(null);
    if (!navigator.mediaDevices || !("AudioWorklet" in window)) {
      this.listener.problem(window.isSecureContext ? OLD : INSECURE);
      return;
    }
    if (!this.wanted) this.change("connecting");
    try {
      await this.microphone.open();
    } catch (error) {
      if (!this.wanted) this.change("idle");
      this.listener.problem(microphoneProblem(error));
      return;
    }
    if (this.wanted) await this.sendMicrophone();
    else await this.start();
  }

  /** Says something in writing, connecting first where needed. The answer is spoken all the same. */
  async type(text: string): Promise<void> {
    if (this.client?.state === "ready" && this.reaches()) {
      this.listener.interrupted();
      this.unanswered = text;
      await this.client.sendText(text);
      this.change("thinking");
      return;
    }
    this.pending.push(text);
    if (!this.wanted) await this.start();
  }

  mute(muted: boolean): void {
    this.microphone.enableMic(!muted);
    this.client?.enableMic(!muted);
  }

  async end(): Promise<void> {
    this.wanted = false;
    this.pending = [];
    this.unanswered = null;
    window.clearTimeout(this.retry);
    this.retry = undefined;
    this.microphone.close();
    await this.drop();
    this.change("idle");
  }

  private async start(): Promise<void> {
    this.wanted = true;
    this.attempts = 0;
    this.change("connecting");
    await this.connect();
  }

  private async connect(): Promise<void> {
    const server = await probe();
    if (!this.wanted || this.client) return;
    if (server !== "there") return await this.lost(server === "gone" ? UNREACHABLE : STARTING);
    const peer = this.blocked || !("RTCPeerConnection" in window) ? null : new PeerTransport(await this.peerOptions());
    if (!this.wanted || this.client) return;
    const transport = peer ?? new SocketTransport(new Wires(this.microphone), deviceName());
    const client = this.makeClient(transport);
    this.client = client;
    this.transport = transport;
    try {
      const request = { endpoint: new URL("api/offer", document.baseURI), requestData: { device: deviceName() } };
      const connecting = client.connect(peer ? { webrtcRequestParams: request } : undefined);
      await withTimeout(connecting, peer ? PATH_TIMEOUT : CONNECT_TIMEOUT);
    } catch (error) {
      if (this.client !== client) return;
      if (!(peer && error instanceof TimedOut)) return await this.failed(error);
      this.blocked = true;
      await this.drop();
      return await this.connect();
    }
    if (this.client !== client) return;
    this.connected = true;
    this.attempts = 0;
    if (transport instanceof SocketTransport) this.listener.voice(transport.wires.voice);
    this.listener.problem(null);
    this.change("listening");
    this.health = window.setInterval(() => this.checkHealth(), HEALTH_PERIOD);
    await this.sendPending();
  }

  private async sendPending(): Promise<void> {
    for (const text of this.pending.splice(0)) await this.type(text);
  }

  private async peerOptions(): Promise<ConstructorParameters<typeof SmallWebRTCTransport>[0]> {
    const iceServers = await ask<RTCIceServer[]>("api/ice").catch(() => []);
    return { mediaManager: this.microphone, iceServers } as ConstructorParameters<typeof SmallWebRTCTransport>[0];
  }

  private makeClient(transport: PeerTransport | SocketTransport): Client {
    const current = <A extends unknown[]>(react: (...args: A) => void) => {
      return (...args: A) => {
        if (this.client === client) react(...args);
      };
    };
    const client: Client = new Client({
      transport,
      enableMic: this.microphone.isMicEnabled,
      enableCam: false,
      disconnectOnBotDisconnect: false,
      callbacks: {
        onTrackStarted: current((track, participant) => {
          if (participant?.local || track.kind !== "audio") return;
          if (transport instanceof PeerTransport) transport.playAtOnce(track);
          this.listener.voice(new MediaStream([track]));
        }),
        // One that is refused while it connects is told of by `connect`, with the reason.
        onDisconnected: current(() => {
          if (this.connected) void this.lost();
        }),
        onBotDisconnected: current(() => void this.left()),
        onUserStartedSpeaking: current(() => this.change("listening")),
        onUserStoppedSpeaking: current(() => {
          this.listener.silence(false);
          if (this.state === "listening") this.change("thinking");
        }),
        onBotStartedSpeaking: current(() => {
          this.unanswered = null;
          this.listener.silence(false);
          this.change("speaking");
        }),
        onBotStoppedSpeaking: current(() => {
          if (this.state === "speaking") this.change("listening");
        }),
        onUserTranscript: current(({ text, final }) => this.listener.heard(text, final)),
        onBotTtsText: current(({ text }) => this.listener.said(text)),
        onBotOutput: current((output) => {
          if (output.will_be_spoken === false) this.listener.said(output.text);
        }),
        onServerMessage: current((message) => {
          this.unanswered = null;
          if (message?.type === "tool") this.listener.tool(message as Tool);
          if (message?.type !== "turn") return;
          this.listener.turn(message.turn as Turn);
          if (this.state === "thinking") this.change("listening");
        }),
        onError: current((message) => {
          const { error } = (message.data ?? {}) as { error?: string };
          this.listener.problem({ title: words.wrong, advice: error ?? words.askAgain });
          if (this.state === "thinking") this.change("listening");
        }),
      },
    });
    client.onInterrupted = current(() => {
      this.listener.silence(true);
      if (this.transport instanceof SocketTransport) this.transport.wires.drop();
      this.listener.interrupted();
      if (this.state === "speaking") this.change("listening");
    });
    client.setLogLevel(LogLevel.NONE);
    return client;
  }

  /** Adds a microphone to a conversation that began in writing. */
  private async sendMicrophone(): Promise<void> {
    if (this.transport instanceof SocketTransport) {
      await this.transport.wires.listen();
    } else {
      const track = this.microphone.renew();
      const sender = this.transport?.pc?.getTransceivers()[0]?.sender;
      if (track && sender) await sender.replaceTrack(track);
    }
    this.client?.enableMic(true);
    this.change(this.state);
  }

  private async failed(error: unknown): Promise<void> {
    const refused = await refusal(error);
    if (!refused) return this.lost(UNREACHABLE);
    await this.end();
    this.listener.problem(refused);
  }

  private async lost(problem: Problem = LOST): Promise<void> {
    await this.drop();
    if (!this.wanted) return;
    // What was typed while the connection broke is asked again, and not lost with it.
    if (this.unanswered !== null) this.pending.unshift(this.unanswered);
    this.unanswered = null;
    this.change("connecting");
    this.listener.problem(problem);
    const wait = BACKOFF[Math.min(this.attempts, BACKOFF.length - 1)] ?? 1;
    this.attempts += 1;
    this.reconnect(wait * (0.75 + Math.random() / 2));
  }

  private reconnect(seconds: number): void {
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => {
      this.retry = undefined;
      void this.connect();
    }, seconds * 1000);
  }

  /** The server said goodbye: it ended the conversation if it is still there, and is going down otherwise. */
  private async left(): Promise<void> {
    await this.drop();
    if ((await probe()) === "there") await this.end();
    else await this.lost();
  }

  private async drop(): Promise<void> {
    const client = this.client;
    this.client = this.transport = null;
    this.connected = false;
    window.clearInterval(this.health);
    await client?.disconnect().catch(() => {});
  }

  private checkHealth(): void {
    const reaches = this.reaches();
    // The transport mends this by itself and keeps the conversation; `lost` comes when it gives up.
    if (!reaches && this.state !== "connecting") {
      this.change("connecting");
      this.listener.problem(LOST);
    } else if (reaches && this.state === "connecting" && this.client?.state === "ready") {
      this.change("listening");
      this.listener.problem(null);
      void this.sendPending();
    }
  }

  /** Whether what is said now arrives, as far as this end can tell. */
  private reaches(): boolean {
    if (this.transport instanceof SocketTransport) return true; // it ends when it does not
    const state = this.transport?.pc?.iceConnectionState;
    return state === "connected" || state === "completed";
  }

  private change(state: State): void {
    this.state = state;
    window.clearTimeout(this.thinking);
    if (state === "thinking") this.thinking = window.setTimeout(() => this.change("listening"), THINKING_LIMIT);
    this.listener.state(state);
  }
}

/** Whether the server answers, and whether its assistant is still being loaded. */
async function probe(): Promise<"gone" | "starting" | "there"> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT);
  try {
    const answer = await fetch(new URL("healthz", document.baseURI), { cache: "no-store", signal });
    const { status } = (await answer.json().catch(() => ({}))) as { status?: string };
    return status === "starting" ? "starting" : "there";
  } catch {
    return "gone";
  }
}

class TimedOut extends Error {}

function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = window.setTimeout(() => reject(new TimedOut()), milliseconds);
    promise.then(resolve, reject).finally(() => window.clearTimeout(timer));
  });
}
