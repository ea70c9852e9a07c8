// The conversation in writing: what was heard, tentative until final, and what is said, word by word.
import { type Turn, drawTimings } from "./timings";
import { words as spoken } from "./words";

const NEAR_BOTTOM = 80;

class Line {
  readonly item = document.createElement("li");
  private readonly text = document.createElement("p");
  private readonly sure = document.createElement("span");

  constructor(readonly speaker: "person" | "assistant", name: string) {
    this.item.className = speaker;
    const who = document.createElement("span");
    who.className = "unseen";
    who.textContent = `${name}: `;
    this.sure.className = "words";
    this.text.append(who, this.sure);
    this.item.append(this.text);
  }

  get words(): string {
    return this.sure.textContent ?? "";
  }

  set words(words: string) {
    this.sure.textContent = words;
  }

  add(words: string): void {
    this.words = join(this.words, words);
  }

  append(...parts: (Element | string)[]): void {
    this.text.append(...parts);
  }
}

class Heard extends Line {
  private readonly tentative = document.createElement("span");

  constructor() {
    super("person", spoken.you);
    this.tentative.className = "tentative";
    // Guesses that change would be read out again and again; the final text is announced.
    this.tentative.setAttribute("aria-hidden", "true");
    this.append(this.tentative);
  }

  guess(words: string): void {
    this.tentative.textContent = join(this.words, words).slice(this.words.length);
  }

  settle(words: string): void {
    this.tentative.textContent = "";
    this.add(words);
  }

  /** The server's own account of what it heard, where it tells one. */
  correct(words: string): void {
    this.tentative.textContent = "";
    this.words = words || this.words;
  }
}

class Said extends Line {
  constructor() {
    super("assistant", "PASSFEL");
    this.item.setAttribute("aria-busy", "true");
  }

  cut(): void {
    if (this.item.classList.contains("cut")) return;
    this.item.classList.add("cut");
    const mark = document.createElement("span");
    mark.className = "cut-mark";
    mark.textContent = spoken.interrupted;
    this.append(" ", mark);
    this.finish();
  }

  finish(): void {
    this.item.removeAttribute("aria-busy");
  }

  get finished(): boolean {
    return !this.item.hasAttribute("aria-busy");
  }
}

export class Captions {
  private heardLine: Heard | null = null;
  private saidLine: Said | null = null;
  private readonly cards: HTMLElement[] = [];
  private readonly turns: { heard: Heard | null; said: Said }[] = [];

  constructor(
    private readonly list: HTMLElement,
    private readonly scroller: HTMLElement,
  ) {}

  heard(text: string, final: boolean): void {
    const words = text.trim();
    if (!words && !this.heardLine) return;
    this.closeAnswer();
    this.scrolling(() => {
      this.heardLine ??= this.open(new Heard());
      if (final) this.heardLine.settle(words);
      else this.heardLine.guess(words);
    });
  }

  typed(text: string): void {
    this.closeAnswer();
    this.heardLine = null;
    this.scrolling(() => {
      this.heardLine = this.open(new Heard());
      this.heardLine.settle(text);
    });
  }

  said(text: string): void {
    this.scrolling(() => {
      if (!this.saidLine) {
        this.saidLine = this.open(new Said());
        this.turns.push({ heard: this.heardLine, said: this.saidLine });
        this.heardLine = null;
        this.saidLine.item.append(...this.cards.splice(0));
      }
      this.saidLine.add(text);
    });
  }

  /** Sets what a tool told below the answer, which is being given or about to be. */
  show(card: HTMLElement): void {
    // The answer says the same, so it is not read out twice.
    card.setAttribute("aria-live", "off");
    const item = this.saidLine && !this.saidLine.finished ? this.saidLine.item : null;
    // A list that grew item by item is one list.
    const shown = (item ? [...item.querySelectorAll(".card.items")] : this.cards).find(
      (each) => each.className === card.className && card.classList.contains("items"),
    );
    if (item) this.scrolling(() => (shown ? shown.replaceWith(card) : item.append(card)));
    else if (shown) this.cards.splice(this.cards.indexOf(shown as HTMLElement), 1, card);
    else this.cards.push(card);
  }

  /** The answer was cut off: mark where. Nothing happens where no answer was being given. */
  interrupted(): void {
    if (!this.saidLine?.finished) this.saidLine?.cut();
    this.saidLine = null;
  }

  /** The assistant begins to speak, which is another answer unless the last one is not finished yet. */
  speaks(): void {
    if (this.saidLine?.finished) this.saidLine = null;
  }

  /** The assistant stopped speaking; its last words may still come. */
  finished(): void {
    this.saidLine?.finish();
  }

  /** Completes the newest turn that `turn` can be about with the server's account of it. */
  turn(turn: Turn): void {
    let first = this.turns.findLastIndex(({ heard }) => heard !== null && same(heard.words, turn.heard));
    if (first < 0) first = this.turns.length - 1;
    if (first < 0) return this.unanswered(turn);
    // What was said in several goes, around a tool's work, is one turn and is timed below its last part.
    let last = first;
    while (this.turns[last + 1]?.heard === null) last += 1;
    const parts = this.turns.splice(first, last - first + 1);
    const said = parts.at(-1)?.said;
    this.scrolling(() => {
      parts[0]?.heard?.correct(turn.heard);
      if (turn.interrupted) said?.cut();
      const timings = drawTimings(turn);
      if (timings) said?.item.append(timings);
    });
  }

  private unanswered(turn: Turn): void {
    if (turn.heard) this.heardLine?.correct(turn.heard);
    if (turn.answered) this.said(turn.answered);
    if (turn.interrupted) this.interrupted();
  }

  private closeAnswer(): void {
    this.finished();
    this.saidLine = null;
  }

  private open<L extends Line>(line: L): L {
    this.list.append(line.item);
    document.body.removeAttribute("data-empty");
    return line;
  }

  /** Keeps the newest words in sight, unless the reader scrolled up to older ones. */
  private scrolling(change: () => void): void {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const following = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    change();
    if (following) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

/** Joins words as they were meant: a space between, unless one is there or punctuation follows. */
function join(before: string, after: string): string {
  if (!before || !after) return before + after.trimStart();
  return /\s$/.test(before) || /^[\s.,;:!?)%’']/.test(after) ? before + after : `${before} ${after}`;
}

function same(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.trim().toLowerCase();
}
