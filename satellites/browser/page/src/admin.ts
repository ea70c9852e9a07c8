// The owner's page: how the assistant fares, looked at again every few seconds while somebody looks.
import { ask } from "./api";
import type { Turn } from "./timings";

interface Overview {
  checks: { what: string; state: "ok" | "note" | "wrong"; detail: string }[];
  memory: { parts: { part: string; planned: number | null; held: number }[]; planned: number | null };
  engine: { problem?: string; draining?: boolean; failing?: boolean; running?: number; waiting?: number; memory?: Memory };
  tools: { name: string; description: string; status: string | null; called: number | null; worked: number | null }[];
  problems: { at: number; level: string; what: string }[];
  keep_days: { conversations: number; readings: number };
  policy: { forbid: string[]; confirm: string[]; people: Record<string, string[]>; rooms: Record<string, string[]> };
}

interface Household {
  devices?: Device[];
  people?: string[];
}

interface Device {
  name: string;
  title: string | null;
  door: string;
  room: string | null;
  person: string | null;
  last_seen: number;
}

/** A device as its door sees it now. */
interface Satellite {
  device: string;
  door: string;
  state: string;
  detail: Record<string, unknown>;
}

interface Memory {
  free: number;
  limit: number;
  shed: string;
}

interface Paired {
  id: string;
  name: string;
  owner: boolean;
  paired_at: number;
  seen_at: number;
}

const LOOK_AGAIN = 5_000;
const MOST_TURNS = 12;
const GIB = 2 ** 30;
const PARTS: Record<string, string> = {
  speech: "Hearing, speech and the assistant",
  language: "Language model",
  stores: "Databases",
};
const STATES = { ok: "good", note: "note", wrong: "wrong" } as const;

function find(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page lacks #${id}`);
  return found;
}

function element(name: string, kind = "", text = "", ...children: HTMLElement[]): HTMLElement {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  made.append(...children);
  return made;
}

function fill(id: string, items: HTMLElement[], none: string): void {
  find(id).replaceChildren(...(items.length ? items : [element("li", "soft", none)]));
}

async function look(): Promise<void> {
  try {
    const [overview, turns, paired] = await Promise.all([
      ask<Overview>("v1/overview"),
      ask<Turn[]>("v1/turns"),
      ask<Paired[]>("v1/paired"),
    ]);
    drawState(overview);
    drawLatency(turns);
    drawMemory(overview);
    drawLists(overview);
    drawDevices(paired);
    drawPolicy(overview);
    // Without a database there are none, and the rest is told all the same.
    const [household, satellites] = await Promise.all([
      ask<Household>("v1/devices").catch((): Household => ({})),
      ask<Satellite[]>("v1/satellites"),
    ]);
    drawHousehold(household, satellites);
  } catch {
    find("state").textContent = "The assistant does not answer. Is it running?";
    find("state").className = "wrong";
  }
}

function drawState({ checks, engine }: Overview): void {
  const wrong = checks.filter(({ state }) => state === "wrong").length;
  const problems = [
    engine.problem,
    engine.failing ? "its language model fails" : "",
    engine.draining ? "its language model is out of use" : "",
    wrong ? `${wrong} of its parts must be mended` : "",
  ].filter(Boolean);
  find("state").textContent = problems.length ? `Look here: ${problems.join(", ")}.` : "Everything is well.";
  find("state").className = problems.length ? "wrong" : "good";
}

function drawLatency(turns: Turn[]): void {
  const sounds = turns.flatMap(({ timings }) => (typeof timings.first_audio === "number" ? [timings.first_audio] : []));
  sounds.sort((a, b) => a - b);
  const at = (share: number) => sounds[Math.min(sounds.length - 1, Math.floor(share * sounds.length))];
  const shown: [string, number | undefined][] = [["median", at(0.5)], ["90 of 100", at(0.9)], ["slowest", sounds.at(-1)]];
  find("percentiles").replaceChildren(
    ...shown.map(([label, value]) => {
      const pair = element("div");
      pair.append(element("dt", "", label), element("dd", "", value === undefined ? "–" : `${value.toFixed(2)} s`));
      return pair;
    }),
  );
  const latest = turns.slice(-MOST_TURNS).reverse();
  const longest = Math.max(0.5, ...latest.map(({ timings }) => timings.first_audio ?? 0));
  fill("turns", latest.map((turn) => drawTurn(turn, longest)), "Nobody has said anything since it was started.");
}

function drawTurn(turn: Turn, longest: number): HTMLElement {
  const { transcribed, decided, first_token: token, first_audio: audio } = turn.timings;
  const heard = Math.max(0, decided ?? transcribed ?? 0);
  const thought = Math.max(heard, token ?? heard);
  const bars: [string, number, number][] = [
    ["heard", 0, heard],
    ["thought", heard, thought],
    ["said", thought, Math.max(thought, audio ?? thought)],
  ];
  const track = element("span", "track");
  for (const [kind, from, to] of bars) {
    const bar = track.appendChild(element("i", kind));
    bar.style.setProperty("--from", String(from / longest));
    bar.style.setProperty("--to", String(to / longest));
  }
  const told = typeof audio === "number" ? `${audio.toFixed(2)} s` : "not answered aloud";
  const parts = `heard ${heard.toFixed(2)} s, first word ${thought.toFixed(2)} s`;
  const row = element("div", "row", "", element("span", "", turn.heard || "…"), element("span", "", told));
  row.title = parts;
  return element("li", "", "", row, track);
}

function drawMemory({ memory, engine }: Overview): void {
  const most = Math.max(1, ...memory.parts.map(({ planned, held }) => Math.max(planned ?? 0, held)));
  const items = memory.parts.map(({ part, planned, held }) => {
    const track = element("span", "track");
    for (const [kind, size] of [["planned", planned ?? 0], ["held", held]] as const) {
      track.appendChild(element("i", kind)).style.setProperty("--to", String(size / most));
    }
    const of = planned === null ? "" : ` of ${(planned / GIB).toFixed(2)} planned`;
    const told = element("span", "", `${(held / GIB).toFixed(2)} GiB${of}`);
    return element("li", "", "", element("div", "row", "", element("span", "", PARTS[part] ?? part), told), track);
  });
  fill("memory", items, "");
  const room = engine.memory;
  find("shed").textContent = room
    ? `${room.free.toFixed(1)} GiB of ${room.limit.toFixed(1)} are free. Given up for want of memory: ${room.shed}.`
    : "";
}

function drawLists({ checks, tools, problems, keep_days }: Overview): void {
  const order = { wrong: 0, note: 1, ok: 2 };
  const sorted = [...checks].sort((a, b) => order[a.state] - order[b.state]);
  fill("checks", sorted.map(({ what, state, detail }) => {
    const line = element("span", STATES[state], what);
    return element("li", "", "", line, element("span", "soft", detail));
  }), "");
  const used = [...tools].sort((a, b) => (b.called ?? 0) - (a.called ?? 0));
  fill("tools", used.map((tool) => {
    const failed = tool.status === "failed";
    const worked = tool.worked ? `worked ${moment(tool.worked)}` : "never used";
    const told = failed && tool.called ? `failed ${moment(tool.called)}; ${worked}` : worked;
    const row = element("div", "row", "", element("span", failed ? "wrong" : "", tool.name), element("span", "", told));
    return element("li", "", "", row, element("span", "soft", tool.description));
  }), "They are there once the assistant is ready.");
  fill("problems", problems.map(({ at, what }) => element("li", "", what, element("span", "soft", moment(at)))), "Nothing.");
  find("keeping").textContent =
    `What was said is kept for ${keep_days.conversations} days, and each reading of a sensor for ${keep_days.readings}.`;
}

function drawDevices(paired: Paired[]): void {
  const shown = find("devices");
  if (shown.contains(document.activeElement)) return; // a button that is about to be pressed stays where it is
  const items = paired.map(({ id, name, owner, seen_at: seen }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove ${name}`);
    button.addEventListener("click", () => {
      button.disabled = true;
      void ask(`v1/paired/${id}`, "DELETE").catch(() => {}).finally(() => {
        button.blur();
        void look();
      });
    });
    const seenLast = `${owner ? "an owner's, " : ""}last here ${moment(seen)}`;
    const told = element("span", "", name, element("span", "soft", seenLast));
    return element("li", "", "", element("div", "row", "", told, button));
  });
  fill("devices", items, "Only this machine. Press “Add a device” in the conversation, or run passfel pair.");
}

function drawHousehold({ devices = [], people = [] }: Household, satellites: Satellite[]): void {
  const shown = find("household");
  if (shown.contains(document.activeElement)) return; // what is being typed is not taken away
  const known = new Set(devices.map(({ name }) => name));
  const state = new Map(satellites.map((each) => [each.device, each]));
  const items = devices.map((device) => {
    const now = state.get(device.name);
    const name = element("span", problem(now) ? "wrong" : "", device.title ?? device.name);
    const told = [device.title ? device.name : "", device.door, now?.state ?? `last seen ${moment(device.last_seen)}`];
    name.append(element("span", "soft", told.filter(Boolean).join(", ")), ...details(now));
    const fields = element("span", "fields", "", field(device, "room", "Room"), field(device, "person", "Person"));
    return element("li", "", "", name, fields);
  });
  const others = satellites.filter(({ device }) => !known.has(device));
  items.push(
    ...others.map((each) => {
      const name = element("span", problem(each) ? "wrong" : "", each.device);
      name.append(element("span", "soft", `${each.door}, ${each.state}`), ...details(each));
      return element("li", "", "", name);
    }),
  );
  fill("household", items, "None has called yet.");
  const rooms = new Set(devices.flatMap(({ room }) => (room ? [room] : [])));
  find("people").replaceChildren(...people.map((name) => new Option(name)));
  find("rooms").replaceChildren(...[...rooms].map((name) => new Option(name)));
}

function problem(satellite: Satellite | undefined): string {
  return String(satellite?.detail["problem"] ?? "");
}

function details(satellite: Satellite | undefined): HTMLElement[] {
  if (!satellite) return [];
  const told = Object.entries(satellite.detail).flatMap(([name, value]) => {
    if (value === null || value === "" || name === "problem") return [];
    return [`${name.replaceAll("_", " ")}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`];
  });
  return [problem(satellite), told.join(", ")].filter(Boolean).map((text) => element("span", "soft", text));
}

function field(device: Device, what: "room" | "person", label: string): HTMLElement {
  const input = document.createElement("input");
  input.value = device[what] ?? "";
  input.placeholder = label;
  input.maxLength = 40;
  input.setAttribute("list", what === "room" ? "rooms" : "people");
  input.setAttribute("aria-label", `${label} of ${device.title ?? device.name}`);
  input.addEventListener("change", () => {
    const change = ask(`v1/devices/${encodeURIComponent(device.name)}`, "PATCH", { [what]: input.value.trim() || null });
    change.then(
      () => (find("said").textContent = "Holds from the next conversation on."),
      (error: Error) => (find("said").textContent = error.message),
    );
  });
  return input;
}

function drawPolicy({ policy }: Overview): void {
  const lines = [
    ...policy.forbid.map((tool) => `${tool}: never`),
    ...policy.confirm.map((tool) => `${tool}: after a yes`),
    ...Object.entries(policy.people).map(([tool, names]) => `${tool}: only ${names.join(", ")}`),
    ...Object.entries(policy.rooms).map(([tool, names]) => `${tool}: only in ${names.join(", ")}`),
  ];
  const usual = "Whatever unlocks, opens a garage or a gate, or deletes is confirmed aloud.";
  fill("policy", [usual, ...lines].map((line) => element("li", "", line)), "");
}

function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

void look();
window.setInterval(() => {
  if (document.visibilityState === "visible") void look();
}, LOOK_AGAIN);
