// What a tool told, to look at: beside the spoken sentence, never instead of it.
import { deviceName, use } from "./api";
import { icon, sparkline, weatherIcon } from "./icons";
import { language, words } from "./words";

type Data = Record<string, unknown>;

interface Day {
  date: string;
  low: number;
  high: number;
  condition: string;
  chance_of_rain?: number | null;
}

interface Event {
  title: string;
  starts: string;
  ends: string;
  all_day: boolean;
  place?: string | null;
}

interface Thing {
  id?: string;
  name: string;
  room?: string | null;
  state?: string;
  states?: [string, string][];
}

const SWITCHED = new Set(["light", "switch", "fan", "input_boolean"]);
const MOST = 8;

/** A card for what a tool came to, or nothing where the sentence says it all. */
export function card(data: Data): HTMLElement | null {
  const drawn =
    drawWeather(data) ?? drawEvents(data) ?? drawStories(data) ?? drawPrice(data) ?? drawThings(data) ?? drawItems(data);
  drawn?.classList.add("card");
  return drawn;
}

function drawWeather({ days, place }: Data): HTMLElement | null {
  if (!listed<Day>(days, "low") || days.length === 0) return null;
  const drawn = titled("weather", String(place ?? ""));
  const list = drawn.appendChild(element("ul"));
  for (const day of days.slice(0, 7)) {
    const item = list.appendChild(element("li"));
    item.append(element("span", "day", weekday(day.date)), icon(weatherIcon(day.condition)));
    item.append(element("span", "unseen", day.condition));
    item.append(element("span", "high", `${Math.round(day.high)}°`), element("span", "low", `${Math.round(day.low)}°`));
    const rain = Math.round(day.chance_of_rain ?? 0);
    if (rain >= 20) item.append(element("span", "chance", `${rain} % ${words.rain}`));
  }
  return drawn;
}

function drawEvents({ events }: Data): HTMLElement | null {
  if (!listed<Event>(events, "starts") || events.length === 0) return null;
  const drawn = element("section", "events");
  let before = "";
  let list: HTMLElement | null = null;
  for (const event of events.slice(0, MOST)) {
    const starts = new Date(event.starts);
    const day = starts.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long" });
    if (!list || day !== before) {
      drawn.append(element("h3", "", day));
      list = drawn.appendChild(element("ul"));
      before = day;
    }
    const item = list.appendChild(element("li"));
    item.append(element("span", "when", event.all_day ? words.allDay : time(starts)), element("span", "", event.title));
    if (event.place) item.append(element("span", "soft", event.place));
  }
  return drawn;
}

function drawStories({ stories }: Data): HTMLElement | null {
  if (!listed<{ title: string; source: string }>(stories, "title") || stories.length === 0) return null;
  const drawn = element("section", "stories");
  const list = drawn.appendChild(element("ol"));
  for (const story of stories.slice(0, MOST)) {
    const item = list.appendChild(element("li", "", story.title));
    item.append(element("span", "soft", story.source));
  }
  return drawn;
}

function drawPrice({ name, price, currency, change }: Data): HTMLElement | null {
  if (typeof price !== "number" || typeof currency !== "string") return null;
  const drawn = titled("price", String(name ?? ""));
  drawn.append(element("span", "amount", money(price, currency)));
  if (typeof change === "number") {
    const sign = change < 0 ? "▼" : "▲";
    const text = `${sign} ${Math.abs(change).toLocaleString(language, { maximumFractionDigits: 2 })} %`;
    drawn.append(element("span", change < 0 ? "down" : "up", text));
  }
  return drawn;
}

function drawThings({ things }: Data): HTMLElement | null {
  if (!listed<Thing>(things, "name") || things.length === 0) return null;
  const drawn = element("section", "things");
  const list = drawn.appendChild(element("ul"));
  for (const thing of things.slice(0, MOST)) {
    const item = list.appendChild(element("li"));
    const name = item.appendChild(element("span", "", thing.name));
    if (thing.room && !thing.name.includes(thing.room)) name.append(element("span", "soft", thing.room));
    if (thing.states) drawHistory(item, thing.states);
    else if (SWITCHED.has(thing.id?.split(".")[0] ?? "")) item.append(drawSwitch(thing));
    else if (thing.state !== undefined) item.append(element("span", "state", thing.state));
  }
  return drawn;
}

function drawHistory(item: HTMLElement, states: [string, string][]): void {
  const values = states.map(([, state]) => Number.parseFloat(state)).filter(Number.isFinite);
  const line = sparkline(values);
  if (!line) return;
  const number = (value: number) => value.toLocaleString(language, { maximumFractionDigits: 1 });
  const told = [
    `${words.lowest} ${number(Math.min(...values))}`,
    `${words.highest} ${number(Math.max(...values))}`,
    `${words.latest} ${number(values.at(-1) ?? 0)}`,
  ];
  item.append(line, element("span", "soft", told.join(" · ")));
}

function drawSwitch(thing: Thing): HTMLElement {
  const button = element("button", "switch") as HTMLButtonElement;
  button.type = "button";
  button.setAttribute("role", "switch");
  button.setAttribute("aria-label", thing.name);
  let on = thing.state === "on";
  const draw = () => {
    button.setAttribute("aria-checked", String(on));
    button.title = on ? words.turnOff : words.turnOn;
  };
  button.addEventListener("click", () => {
    on = !on;
    draw();
    button.disabled = true;
    const given = { name: thing.name, ...(thing.room ? { room: thing.room } : {}) };
    use(on ? "turn_on" : "turn_off", given, deviceName())
      .catch((error: Error) => {
        on = !on;
        draw();
        button.title = `${words.notDone}: ${error.message}`;
      })
      .finally(() => {
        button.disabled = false;
      });
  });
  draw();
  return button;
}

function drawItems({ items }: Data): HTMLElement | null {
  if (!Array.isArray(items) || items.length === 0 || !items.every((item) => typeof item === "string")) return null;
  const drawn = element("section", "items");
  const list = drawn.appendChild(element("ul"));
  for (const item of items.slice(0, 12) as string[]) list.append(element("li", "", item));
  return drawn;
}

function listed<T>(value: unknown, key: keyof T & string): value is T[] {
  return Array.isArray(value) && value.every((each) => typeof each === "object" && each !== null && key in each);
}

function element(name: string, kind = "", text = ""): HTMLElement {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

function titled(kind: string, title: string): HTMLElement {
  const made = element("section", kind);
  if (title) made.append(element("h3", "", title));
  return made;
}

function weekday(date: string): string {
  return new Date(`${date}T12:00`).toLocaleDateString(language, { weekday: "short" });
}

function time(moment: Date): string {
  return moment.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
}

function money(amount: number, currency: string): string {
  try {
    return amount.toLocaleString(language, { style: "currency", currency });
  } catch {
    return `${amount.toLocaleString(language)} ${currency}`;
  }
}
