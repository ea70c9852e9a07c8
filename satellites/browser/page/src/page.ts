// The page: one button, the conversation in writing, and a field to type in.
import { Captions } from "./captions";
import { Meter } from "./meter";
import { INSECURE, type Problem } from "./problems";
import { Session, type State } from "./session";

function find<E extends HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page lacks #${id}`);
  return element as E;
}

const talk = find<HTMLButtonElement>("talk");
const mute = find<HTMLButtonElement>("mute");
const send = find<HTMLButtonElement>("send");
const text = find<HTMLInputElement>("text");
const voice = find<HTMLAudioElement>("voice");
const notice = find("notice");
const what = find("status").querySelector<HTMLElement>(".what");
const hint = find("status").querySelector<HTMLElement>(".hint");
const bars = [...talk.querySelectorAll<HTMLElement>(".bars i")];

const WORDS: Record<State, [what: string, hint: string]> = {
  idle: ["Tap to talk", ""],
  connecting: ["Connecting", ""],
  listening: ["Listening", "tap to end"],
  thinking: ["Thinking", "tap to end"],
  speaking: ["Speaking", "talk to interrupt"],
};

let state: State = "idle";
let muted = false;
let frame = 0;
let sound: AudioContext | null = null;
let heardMeter: { stream: MediaStream; meter: Meter } | null = null;
let voiceMeter: Meter | null = null;

const captions = new Captions(find("conversation"), find("scroller"));
const session = new Session({
  state: (next) => {
    if (next === "speaking") captions.speaks();
    else if (state === "speaking") captions.finished();
    state = next;
    draw();
  },
  problem: showProblem,
  voice: (stream) => {
    voice.srcObject = stream;
    void voice.play().catch(() => {}); // refused until the page is touched; the captions still show the answer
    voiceMeter?.close();
    voiceMeter = sound && new Meter(sound, stream);
  },
  silence: (silent) => {
    voice.muted = silent;
  },
  heard: (words, final) => captions.heard(words, final),
  said: (words) => captions.said(words),
  interrupted: () => captions.interrupted(),
  turn: (turn) => captions.turn(turn),
});

function showProblem(problem: Problem | null): void {
  notice.hidden = problem === null;
  const [title, advice] = [notice.querySelector("strong"), notice.querySelector("p")];
  if (title) title.textContent = problem?.title ?? "";
  if (advice) advice.textContent = problem?.advice ?? "";
}

function draw(): void {
  const hasMicrophone = session.microphone.stream !== null;
  const silent = session.live && (muted || !hasMicrophone) && state === "listening";
  document.body.dataset["state"] = state;
  document.body.toggleAttribute("data-silent", silent);
  let [first, second] = WORDS[state];
  if (silent) first = hasMicrophone ? "Muted" : "Connected";
  if (session.live && !hasMicrophone) second = state === "connecting" ? "" : "tap to talk";
  if (what) what.textContent = first;
  if (hint) hint.textContent = second;
  const starts = !session.live || !hasMicrophone;
  talk.setAttribute("aria-label", starts ? "Start talking" : "End the conversation");
  mute.disabled = !session.live || !hasMicrophone;
  mute.setAttribute("aria-pressed", String(muted));
  const name = muted ? "Unmute the microphone" : "Mute the microphone";
  mute.setAttribute("aria-label", name);
  mute.title = name;
  if (session.live && !frame) frame = requestAnimationFrame(animate);
}

function animate(): void {
  const levels = meter()?.bars() ?? bars.map(() => 0);
  bars.forEach((bar, index) => bar.style.setProperty("--level", (levels[index] ?? 0).toFixed(3)));
  talk.style.setProperty("--level", Math.max(...levels).toFixed(3));
  frame = session.live ? requestAnimationFrame(animate) : 0;
}

function meter(): Meter | null {
  if (state === "speaking") return voiceMeter;
  const { stream } = session.microphone;
  if (!sound || !stream || state !== "listening") return null;
  if (heardMeter?.stream !== stream) {
    heardMeter?.meter.close();
    heardMeter = { stream, meter: new Meter(sound, stream) };
  }
  return heardMeter.meter;
}

/** Browsers allow sound only after a press or a key, so each of them passes here. */
function allowSound(): void {
  sound ??= new AudioContext();
  void sound.resume();
}

function setMuted(next: boolean): void {
  muted = next;
  session.mute(muted);
  draw();
}

talk.addEventListener("click", () => {
  allowSound();
  muted = false;
  if (session.live && session.microphone.stream) void session.end();
  else void session.talk();
});

mute.addEventListener("click", () => setMuted(!muted));

text.addEventListener("input", () => {
  send.disabled = !text.value.trim();
});

find("type").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  allowSound();
  text.value = "";
  send.disabled = true;
  void session.type(words);
  captions.typed(words);
});

window.addEventListener("pagehide", () => void session.end());

draw();
if (!window.isSecureContext) showProblem(INSECURE);
