// Runs beside the microphone: turns its sound into 16-bit samples at 16 kHz, 20 ms at a time.
import { AudioWorkletProcessor, registerProcessor, sampleRate } from "./worklet";

const RATE = 16_000;
const CHUNK = 320;

class Capture extends AudioWorkletProcessor {
  private chunk = new Int16Array(CHUNK);
  private filled = 0;
  private sum = 0;
  private count = 0;
  private position = 0;

  process([input]: Float32Array[][]): boolean {
    const step = RATE / sampleRate;
    for (const sample of input?.[0] ?? []) {
      // The mean of what falls together keeps high tones from folding down into speech.
      this.sum += sample;
      this.count += 1;
      this.position += step;
      if (this.position < 1) continue;
      this.position -= 1;
      const mean = Math.max(-1, Math.min(1, this.sum / this.count));
      this.chunk[this.filled++] = Math.round(mean * 32767);
      this.sum = this.count = 0;
      if (this.filled < CHUNK) continue;
      this.port.postMessage(this.chunk.buffer, [this.chunk.buffer]);
      this.chunk = new Int16Array(CHUNK);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
