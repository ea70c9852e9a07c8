// What is said of a tool that is at work.
import { words } from "./words";

const ABOUT: [RegExp, keyof typeof words][] = [
  [/weather/, "weather"],
  [/event|free_time|calendar/, "calendar"],
  [/news/, "news"],
  [/price|currency|portfolio/, "prices"],
  [/look_up|fact|papers/, "questions"],
  [/home|light|turn_|cover|lock|temperature|media|scene|vacuum/, "house"],
];

export function activity(tool: string): string {
  const found = ABOUT.find(([pattern]) => pattern.test(tool));
  return words[found?.[1] ?? "working"];
}
