// What was said at this browser before, to be read again.
import { ask, deviceName } from "./api";
import { language, words } from "./words";

interface Conversation {
  id: string;
  began: number;
  messages: ["user" | "assistant", string, number][];
}

export class History {
  private readonly list: HTMLElement;
  private readonly status: HTMLElement;
  private readonly more: HTMLButtonElement;
  private earliest: number | undefined;

  constructor(private readonly dialog: HTMLDialogElement) {
    const find = <E extends HTMLElement>(selector: string): E => {
      const found = dialog.querySelector<E>(selector);
      if (!found) throw new Error(`The dialog lacks ${selector}`);
      return found;
    };
    this.list = find(".talks");
    this.status = find(".how");
    this.more = find<HTMLButtonElement>(".more");
    this.more.addEventListener("click", () => void this.load());
  }

  async show(): Promise<void> {
    this.list.replaceChildren();
    this.earliest = undefined;
    this.dialog.showModal();
    await this.load();
  }

  private async load(): Promise<void> {
    this.status.textContent = words.pairOne;
    this.more.hidden = true;
    const before = this.earliest === undefined ? "" : `&before=${this.earliest}`;
    try {
      const found = await ask<Conversation[]>(`v1/conversations?device=${deviceName()}${before}`);
      this.list.append(...found.map(drawn));
      const last = found.at(-1);
      if (last) this.earliest = last.messages.at(-1)?.[2] ?? last.began;
      this.more.hidden = found.length === 0;
      this.status.textContent = this.list.childElementCount ? "" : words.nothingSaid;
    } catch (error) {
      this.status.textContent = `${words.notDone}: ${(error as Error).message}`;
    }
  }
}

function drawn({ began, messages }: Conversation): HTMLElement {
  const item = document.createElement("li");
  const details = item.appendChild(document.createElement("details"));
  const summary = details.appendChild(document.createElement("summary"));
  const when = summary.appendChild(document.createElement("time"));
  when.dateTime = new Date(began * 1000).toISOString();
  when.textContent = new Date(began * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  const first = summary.appendChild(document.createElement("span"));
  first.textContent = messages.find(([role]) => role === "user")?.[1] ?? messages[0]?.[1] ?? "";
  for (const [role, text] of messages) {
    const line = details.appendChild(document.createElement("p"));
    line.className = role;
    const who = line.appendChild(document.createElement("span"));
    who.className = "unseen";
    who.textContent = `${role === "user" ? words.you : "PASSFEL"}: `;
    line.append(text);
  }
  return item;
}
