// What the house knows of this device: its name, where it stands, and how the assistant speaks there.
import { ask, deviceName } from "./api";
import { words } from "./words";

interface Known {
  title?: string | null;
  room?: string | null;
  speed?: number | null;
  voice?: string | null;
}

interface Choices {
  voices: string[];
  speed: number;
}

const SPEEDS = [0.75, 0.9, 1, 1.15, 1.3, 1.5];

/** Fills the fields of a form with what is known, and tells the house what is changed in them. */
export class Device {
  private readonly path = `v1/devices/${deviceName()}`;

  constructor(
    private readonly group: HTMLElement,
    private readonly failed: (message: string) => void,
  ) {
    for (const name of ["title", "room"] as const) {
      const field = this.field<HTMLInputElement>(name);
      field.addEventListener("change", () => void this.say({ [name]: field.value.trim() || null }));
    }
    for (const name of ["speed", "voice"] as const) {
      const field = this.field<HTMLSelectElement>(name);
      field.addEventListener("change", () => {
        const chosen = field.value || null;
        void this.say({ [name]: name === "speed" && chosen ? Number(chosen) : chosen });
      });
    }
  }

  /** Shows what is known, or nothing of it where the house keeps nothing. */
  async show(): Promise<void> {
    try {
      const [choices, known] = await Promise.all([ask<Choices>("v1/devices"), ask<Known>(this.path)]);
      this.draw(choices, known);
      this.group.hidden = false;
    } catch {
      this.group.hidden = true;
    }
  }

  private draw(choices: Choices, known: Known): void {
    this.field<HTMLInputElement>("title").value = known.title ?? "";
    this.field<HTMLInputElement>("room").value = known.room ?? "";
    const speed = known.speed ? Math.round(known.speed * 100) / 100 : null;
    const speeds = [...new Set([...SPEEDS, ...(speed ? [speed] : [])])].sort((a, b) => a - b);
    const pace = (value: number) => `${value.toLocaleString()} ×`;
    this.offer("speed", [["", words.asEverywhere], ...speeds.map((value) => [String(value), pace(value)] as const)], speed);
    this.offer("voice", [["", words.asEverywhere], ...choices.voices.map((name) => [name, name] as const)], known.voice);
    this.field("voice").closest("label")?.toggleAttribute("hidden", choices.voices.length < 2);
  }

  private offer(name: string, options: (readonly [string, string])[], chosen?: string | number | null): void {
    const field = this.field<HTMLSelectElement>(name);
    field.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    field.value = String(chosen ?? "");
  }

  private async say(changes: Known): Promise<void> {
    try {
      await ask(this.path, "PATCH", changes);
      this.failed("");
    } catch (error) {
      this.failed(`${words.notDone}: ${(error as Error).message}`);
    }
  }

  private field<E extends HTMLElement>(name: string): E {
    const found = this.group.querySelector<E>(`[name=${name}]`);
    if (!found) throw new Error(`The settings lack ${name}`);
    return found;
  }
}
