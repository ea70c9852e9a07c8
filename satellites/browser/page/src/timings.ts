// The quiet line below a turn: how fast it was answered, and where the time went.
import { words } from "./words";

/** What the server tells after each turn; seconds count from the true end of the person's speech. */
export interface Turn {
  id: string;
  heard: string;
  answered: string;
  interrupted: boolean;
  timings: Partial<Record<Stage, number | null>>;
  speculation?: { used: boolean; saved: number; withdrawn: number };
}

type Stage = "vad" | "transcribed" | "decided" | "first_token" | "first_clause" | "first_audio";

const STAGES: [Stage, string][] = [
  ["vad", words.silenceNoticed],
  ["transcribed", words.heardAt],
  ["decided", words.decided],
  ["first_token", words.firstWord],
  ["first_clause", words.firstClause],
  ["first_audio", words.firstSound],
];

const seconds = (value: number): string => `${value.toFixed(2)} s`;

/** Draws a turn's timings, or nothing where the server measured none. */
export function drawTimings(turn: Turn): HTMLElement | null {
  const stages = STAGES.flatMap(([stage, label]) => {
    const at = turn.timings[stage];
    return typeof at === "number" ? [{ label, at, stage }] : [];
  }).sort((a, b) => a.at - b.at);
  const last = stages.at(-1);
  if (!last) return null;
  const sound = stages.find(({ stage }) => stage === "first_audio");

  const details = document.createElement("details");
  details.className = "timings";
  details.setAttribute("aria-live", "off");
  const summary = details.appendChild(document.createElement("summary"));
  summary.textContent = sound ? `${words.answeredIn} ${seconds(sound.at)}` : words.notAloud;

  const start = Math.min(0, stages[0]?.at ?? 0);
  const span = Math.max(last.at - start, 0.001);
  const list = details.appendChild(document.createElement("dl"));
  let before = start;
  for (const { label, at } of stages) {
    const row = list.appendChild(document.createElement("div"));
    row.appendChild(document.createElement("dt")).textContent = label;
    const bar = row.appendChild(document.createElement("dd"));
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    const fill = bar.appendChild(document.createElement("span"));
    fill.style.setProperty("--from", String((before - start) / span));
    fill.style.setProperty("--to", String((at - start) / span));
    row.appendChild(document.createElement("dd")).textContent = seconds(at);
    before = at;
  }
  details.addEventListener("toggle", () => details.scrollIntoView({ block: "nearest" }));
  const note = speculationNote(turn.speculation);
  if (note) details.appendChild(document.createElement("p")).textContent = note;
  return details;
}

function speculationNote(speculation: Turn["speculation"]): string {
  if (!speculation) return "";
  const notes = [];
  if (speculation.used) notes.push(`${words.ahead} ${seconds(speculation.saved)}.`);
  if (speculation.withdrawn > 0) notes.push(`${words.withdrawn} ${speculation.withdrawn}.`);
  return notes.join(" ");
}
