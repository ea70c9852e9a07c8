// The conversation over a websocket, where WebRTC finds no way to the house.
import { WebSocketTransport } from "@pipecat-ai/websocket-transport";
import type { Wires } from "./wires";

type Options = NonNullable<ConstructorParameters<typeof WebSocketTransport>[0]>;

export class SocketTransport extends WebSocketTransport {
  constructor(
    readonly wires: Wires,
    device: string,
  ) {
    const url = new URL(`api/socket?device=${encodeURIComponent(device)}`, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    super({ wsUrl: url.href, mediaManager: wires as unknown as NonNullable<Options["mediaManager"]> });
  }

  // The session connects again by itself, and begins with a greeting that this would leave out.
  override initializeWebsocket(): ReturnType<WebSocketTransport["initializeWebsocket"]> {
    const socket = super.initializeWebsocket();
    Object.assign(socket, { maxReconnectAttempts: 0, shouldRetryFn: () => false });
    return socket;
  }

  override connectionError(): void {
    if (this.state === "connected" || this.state === "ready") void this._disconnect();
  }
}
