// What somebody sets for this browser alone, kept in it.
import { LANGUAGES, language, words } from "./words";

export interface Preferences {
  appearance: "automatic" | "light" | "dark";
  textSize: "small" | "normal" | "large";
  microphone: string;
  speaker: string;
  pushToTalk: boolean;
}

const KEY = "preferences";
const STANDARD: Preferences = {
  appearance: "automatic",
  textSize: "normal",
  microphone: "",
  speaker: "",
  pushToTalk: false,
};

export class Settings {
  readonly chosen: Preferences = read();

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly changed: (chosen: Preferences) => void,
  ) {
    this.apply();
    this.choose("language", Object.entries(LANGUAGES), language, (value) => {
      localStorage.setItem("language", value);
      location.reload();
    });
    this.choose("appearance", this.named(["automatic", "light", "dark"]), this.chosen.appearance, (value) => {
      this.chosen.appearance = value as Preferences["appearance"];
    });
    this.choose("textSize", this.named(["small", "normal", "large"]), this.chosen.textSize, (value) => {
      this.chosen.textSize = value as Preferences["textSize"];
    });
    const push = this.field<HTMLInputElement>("pushToTalk");
    push.checked = this.chosen.pushToTalk;
    push.addEventListener("change", () => {
      this.chosen.pushToTalk = push.checked;
      this.keep();
    });
  }

  async show(): Promise<void> {
    this.dialog.showModal();
    // Browsers name them only to a page that may listen.
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.offer("microphone", devices.filter(({ kind }) => kind === "audioinput"));
    const canChoose = "setSinkId" in HTMLMediaElement.prototype;
    this.offer("speaker", canChoose ? devices.filter(({ kind }) => kind === "audiooutput") : []);
  }

  private offer(name: "microphone" | "speaker", devices: MediaDeviceInfo[]): void {
    const listed = devices.filter(({ deviceId }) => deviceId && deviceId !== "default");
    const options = listed.map(({ deviceId, label }) => [deviceId, label || words.unnamed] as const);
    this.choose(name, [["", words.standard], ...options], this.chosen[name], (value) => {
      this.chosen[name] = value;
    });
    this.field(name).closest("label")?.toggleAttribute("hidden", listed.length < 2);
  }

  private named(values: ("automatic" | "light" | "dark" | "small" | "normal" | "large")[]): [string, string][] {
    return values.map((value) => [value, words[value]]);
  }

  private choose(
    name: string,
    options: readonly (readonly [string, string])[],
    chosen: string,
    take: (value: string) => void,
  ): void {
    const field = this.field<HTMLSelectElement>(name);
    field.replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === chosen)));
    field.onchange = () => {
      take(field.value);
      this.keep();
    };
  }

  private keep(): void {
    localStorage.setItem(KEY, JSON.stringify(this.chosen));
    this.apply();
    this.changed(this.chosen);
  }

  private apply(): void {
    const { dataset } = document.documentElement;
    dataset["appearance"] = this.chosen.appearance;
    dataset["textSize"] = this.chosen.textSize;
  }

  private field<E extends HTMLElement>(name: string): E {
    const found = this.dialog.querySelector<E>(`[name=${name}]`);
    if (!found) throw new Error(`The settings lack ${name}`);
    return found;
  }
}

/** What was kept, as far as it can be read. */
function read(): Preferences {
  try {
    return { ...STANDARD, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>) };
  } catch {
    return { ...STANDARD };
  }
}
