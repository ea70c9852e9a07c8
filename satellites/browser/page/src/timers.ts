// Timers that are running, counting down above the button.
import { deviceName, use } from "./api";
import { icon } from "./icons";
import { language, words } from "./words";

interface Timer {
  id: string;
  kind: "timer" | "alarm" | "reminder";
  name: string;
  /** Seconds since 1970. */
  due: number;
  /** How long it was set for, by which one without a name is known. */
  seconds: number;
  left: number;
}

/** Tools after which other timers may be there. */
const CHANGING = /timer|alarm|remind|snooze/;
/** Seconds after its time in which one that rang is asked for again. */
const RINGS = 3;
const DAY = 86_400;

export class Timers {
  private timers: (Timer & { ends: number })[] = [];
  private ticking: number | undefined;
  private asking: number | undefined;

  constructor(private readonly shelf: HTMLElement) {}

  /** A tool has done its work, which may have set or stopped one. */
  used(tool: string): void {
    if (CHANGING.test(tool)) void this.refresh();
  }

  async refresh(): Promise<void> {
    window.clearTimeout(this.asking);
    try {
      const { timers } = await use<{ timers: Timer[] }>("timer_status", {}, deviceName());
      // Counted from here, since the clocks of two machines differ.
      this.timers = timers.map((timer) => ({ ...timer, ends: performance.now() / 1000 + timer.left }));
    } catch {
      return; // what was shown before still runs
    }
    this.draw();
  }

  private draw(): void {
    window.clearInterval(this.ticking);
    const soon = this.timers.filter(({ left }) => left < DAY).sort((a, b) => a.ends - b.ends).slice(0, 4);
    this.shelf.replaceChildren(...soon.map((timer) => this.item(timer)));
    this.shelf.hidden = soon.length === 0;
    if (soon.length) {
      this.tick();
      this.ticking = window.setInterval(() => this.tick(), 1000);
    }
  }

  private item(timer: Timer & { ends: number }): HTMLElement {
    const item = document.createElement("li");
    item.dataset["ends"] = String(timer.ends);
    const name = document.createElement("span");
    name.textContent = timer.name || words[timer.kind];
    const left = document.createElement("time");
    if (timer.kind !== "timer") {
      const at = new Date(timer.due * 1000);
      left.textContent = at.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
      left.dataset["fixed"] = "";
    }
    item.append(icon("clock"), name, left);
    if (timer.kind === "timer") item.append(this.button(timer));
    return item;
  }

  private button(timer: Timer): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", `${words.cancel}: ${timer.name || words[timer.kind]}`);
    button.addEventListener("click", () => {
      button.disabled = true;
      const given = { seconds: timer.seconds, ...(timer.name ? { name: timer.name } : {}) };
      void use("cancel_timer", given, deviceName()).catch(() => {}).finally(() => this.refresh());
    });
    return button;
  }

  private tick(): void {
    const now = performance.now() / 1000;
    for (const item of this.shelf.children) {
      const left = Number((item as HTMLElement).dataset["ends"]) - now;
      const shown = item.querySelector("time");
      item.classList.toggle("over", left <= 0);
      if (shown && shown.dataset["fixed"] === undefined) shown.textContent = left > 0 ? clock(left) : words.over;
      if (left <= 0 && left > -1.5) {
        window.clearTimeout(this.asking);
        this.asking = window.setTimeout(() => void this.refresh(), RINGS * 1000);
      }
    }
  }
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
