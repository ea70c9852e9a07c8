// The code with which another device comes in, shown until it is used up or too old.
import { ask } from "./api";
import { words } from "./words";

interface Shown {
  code: string;
  seconds: number;
  addresses: string[];
  /** An SVG of the address with the code in it. */
  picture?: string;
}

export class Pairing {
  private ticking: number | undefined;

  constructor(private readonly dialog: HTMLDialogElement) {
    dialog.addEventListener("close", () => window.clearInterval(this.ticking));
  }

  async show(): Promise<void> {
    this.clear(words.pairOne);
    this.dialog.showModal();
    try {
      this.draw(await ask<Shown>("v1/pairing", "POST"));
    } catch {
      this.clear(words.pairNone);
    }
  }

  private draw({ code, seconds, addresses, picture }: Shown): void {
    this.clear(addresses.length > 0 ? words.pairHow : words.pairClosed);
    this.part("code").textContent = code;
    if (picture) {
      const drawn = new DOMParser().parseFromString(picture, "image/svg+xml").documentElement;
      this.part("picture").replaceChildren(document.importNode(drawn, true));
    }
    const items = addresses.map((address) => {
      const item = document.createElement("li");
      item.textContent = address;
      return item;
    });
    this.part("addresses").replaceChildren(...items);
    const ends = performance.now() + seconds * 1000;
    const tick = () => {
      const left = Math.max(0, Math.round((ends - performance.now()) / 1000));
      if (left === 0) return this.clear(words.pairOld);
      this.part("left").textContent = `${words.pairLeft} ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    };
    tick();
    this.ticking = window.setInterval(tick, 1000);
  }

  private clear(how: string): void {
    window.clearInterval(this.ticking);
    for (const name of ["code", "picture", "addresses", "left"]) this.part(name).replaceChildren();
    this.part("how").textContent = how;
  }

  private part(name: string): HTMLElement {
    const found = this.dialog.querySelector<HTMLElement>(`.${name}`);
    if (!found) throw new Error(`The dialog lacks .${name}`);
    return found;
  }
}
