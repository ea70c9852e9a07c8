// How loud a stream is, in five bands of the voice, drawn as the bars and the halo of the button.

/** Edges of the bands in Hz. */
const EDGES = [90, 260, 520, 1000, 2000, 4200];
/** The middle bar shows the band where the voice is strongest. */
const ORDER = [3, 1, 0, 2, 4];
const FLOOR = -80;
const CEILING = -18;

export class Meter {
  private readonly analyser: AnalyserNode;
  private readonly source: MediaStreamAudioSourceNode;
  private readonly spectrum: Float32Array<ArrayBuffer>;

  constructor(private readonly context: AudioContext, stream: MediaStream) {
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.analyser.smoothingTimeConstant = 0.55;
    this.spectrum = new Float32Array(this.analyser.frequencyBinCount);
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(this.analyser);
  }

  /** The strength of each bar, 0 to 1. */
  bars(): number[] {
    this.analyser.getFloatFrequencyData(this.spectrum);
    const width = this.context.sampleRate / this.analyser.fftSize;
    const bands = EDGES.slice(1).map((edge, band) => {
      const from = Math.floor((EDGES[band] ?? 0) / width);
      const loudest = Math.max(...this.spectrum.subarray(from, Math.ceil(edge / width)));
      return Math.min(1, Math.max(0, (loudest - FLOOR) / (CEILING - FLOOR)));
    });
    return ORDER.map((band) => bands[band] ?? 0);
  }

  close(): void {
    this.source.disconnect();
  }
}
