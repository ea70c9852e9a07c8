// Plays the assistant's sound as it arrives. After a gap it waits a moment, so that the next one is not torn.
import { AudioWorkletProcessor, registerProcessor, sampleRate } from "./worklet";

/** Seconds that are gathered before sound begins. */
const GATHERED = 0.06;
/** Looks after which the little that has come is played all the same: no more follows. */
const PATIENCE = 30;

class Playback extends AudioWorkletProcessor {
  private chunks: Int16Array[] = [];
  private waiting = 0;
  private at = 0;
  private playing = false;
  private looks = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Int16Array | "drop">) => {
      if (data === "drop") {
        this.chunks = [];
        this.waiting = this.at = 0;
        this.playing = false;
      } else {
        this.chunks.push(data);
        this.waiting += data.length;
      }
    };
  }

  process(_: Float32Array[][], [output]: Float32Array[][]): boolean {
    const channel = output?.[0];
    if (!channel) return true;
    if (!this.playing && this.waiting > 0) {
      this.looks += 1;
      this.playing = this.waiting >= GATHERED * sampleRate || this.looks > PATIENCE;
    }
    if (!this.playing) return true;
    this.looks = 0;
    for (let index = 0; index < channel.length; index++) {
      const chunk = this.chunks[0];
      if (!chunk) {
        this.playing = false;
        break;
      }
      channel[index] = (chunk[this.at++] ?? 0) / 32768;
      this.waiting -= 1;
      if (this.at === chunk.length) {
        this.chunks.shift();
        this.at = 0;
      }
    }
    return true;
  }
}

registerProcessor("playback", Playback);
