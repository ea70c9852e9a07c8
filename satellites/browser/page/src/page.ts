// The page: one button, the conversation in writing, and a field to type in.
import { activity } from "./activity";
import { Captions } from "./captions";
import { card } from "./cards";
import { Device } from "./device";
import { History } from "./history";
import { Meter } from "./meter";
import { Pairing } from "./pairing";
import { type Preferences, Settings } from "./preferences";
import { INSECURE, type Problem } from "./problems";
import { Session, type State, type Tool } from "./session";
import { Timers } from "./timers";
import { translate, words } from "./words";

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
  idle: [words.talk, ""],
  connecting: [words.connecting, ""],
  listening: [words.listening, words.tapToEnd],
  thinking: [words.thinking, words.tapToEnd],
  speaking: [words.speaking, words.interrupt],
};

let state: State = "idle";
let muted = false;
let atWork = "";
let frame = 0;
let sound: AudioContext | null = null;
let heardMeter: { stream: MediaStream; meter: Meter } | null = null;
let voiceMeter: Meter | null = null;

const timers = new Timers(find("timers"));
const captions = new Captions(find("conversation"), find("scroller"));
const session = new Session({
  state: (next) => {
    if (next === "speaking") captions.speaks();
    else if (state === "speaking") captions.finished();
    if (next === "connecting") void timers.refresh();
    if (next !== "thinking") atWork = "";
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
  tool: showTool,
});
const settings = new Settings(find<HTMLDialogElement>("settings"), prefer);

function showTool({ tool, status, data }: Tool): void {
  atWork = status === "running" ? activity(tool) : "";
  if (status === "done") {
    const shown = card(data);
    if (shown) captions.show(shown);
    timers.used(tool);
  }
  draw();
}

function prefer({ microphone, speaker, pushToTalk }: Preferences): void {
  session.microphone.preferred = microphone;
  if ("setSinkId" in voice) void voice.setSinkId(speaker).catch(() => {}); // it may be unplugged by now
  if (session.live) setMuted(pushToTalk);
  draw();
}

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
  if (silent) first = hasMicrophone ? words.muted : words.connected;
  if (session.live && !hasMicrophone) second = state === "connecting" ? "" : words.tapToTalk;
  if (holds()) second = words.holdToTalk;
  if (state === "thinking" && atWork) first = atWork;
  if (what) what.textContent = first;
  if (hint) hint.textContent = second;
  const starts = !session.live || !hasMicrophone;
  talk.setAttribute("aria-label", starts ? words.start : words.end);
  mute.disabled = !session.live || !hasMicrophone;
  mute.setAttribute("aria-pressed", String(muted));
  const name = muted ? words.unmute : words.mute;
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

/** Whether the button is held to talk now, rather than pressed to begin or end. */
function holds(): boolean {
  return settings.chosen.pushToTalk && session.live && session.microphone.stream !== null;
}

let held = false;

function hold(down: boolean): void {
  if (!holds() || held === down) return;
  held = down;
  setMuted(!down);
}

talk.addEventListener("click", () => {
  allowSound();
  if (holds()) return;
  muted = false;
  if (session.live && session.microphone.stream) void session.end();
  else void session.talk().then(() => settings.chosen.pushToTalk && session.live && setMuted(true));
});

talk.addEventListener("pointerdown", (event) => {
  if (holds()) talk.setPointerCapture(event.pointerId);
  hold(true);
});
for (const released of ["pointerup", "pointercancel", "blur"]) talk.addEventListener(released, () => hold(false));
window.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, dialog *");
  if (event.code !== "Space" || typing || !holds()) return;
  event.preventDefault();
  hold(true);
});
window.addEventListener("keyup", (event) => {
  if (event.code === "Space") hold(false);
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

const pairing = new Pairing(find<HTMLDialogElement>("pairing"));
find("add-device").addEventListener("click", () => void pairing.show());

const deviceGroup = find("this-device");
const device = new Device(deviceGroup, (problem) => {
  const told = deviceGroup.querySelector("p");
  if (told) told.textContent = problem || words.deviceChanged;
});
find("open-settings").addEventListener("click", () => {
  void settings.show();
  void device.show();
});

const history = new History(find<HTMLDialogElement>("history"));
find("open-history").addEventListener("click", () => void history.show());

window.addEventListener("pagehide", () => void session.end());

translate(document);
prefer(settings.chosen);
void timers.refresh();
draw();
if (!window.isSecureContext) showProblem(INSECURE);
