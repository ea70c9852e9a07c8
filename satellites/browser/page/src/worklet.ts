// What the browser gives to code that runs beside the sound, for which TypeScript's library has no types.

interface Scope {
  AudioWorkletProcessor: new () => { readonly port: MessagePort };
  registerProcessor(name: string, processor: new () => object): void;
  sampleRate: number;
}

export const { AudioWorkletProcessor, registerProcessor, sampleRate } = globalThis as unknown as Scope;
