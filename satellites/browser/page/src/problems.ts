// What can go wrong, in words that say what to do.
import { words } from "./words";

export interface Problem {
  title: string;
  advice: string;
}

export const INSECURE: Problem = { title: words.insecure, advice: words.insecureAdvice };
export const OLD: Problem = { title: words.old, advice: words.oldAdvice };
export const UNREACHABLE: Problem = { title: words.unreachable, advice: words.unreachableAdvice };
export const STARTING: Problem = { title: words.waking, advice: words.wakingAdvice };
export const LOST: Problem = { title: words.lost, advice: words.lostAdvice };

const BLOCKED: Problem = { title: words.blocked, advice: words.blockedAdvice };
const MICROPHONE: Record<string, Problem> = {
  NotAllowedError: BLOCKED,
  SecurityError: BLOCKED,
  NotFoundError: { title: words.noMicrophone, advice: words.noMicrophoneAdvice },
  NotReadableError: { title: words.inUse, advice: words.inUseAdvice },
};

export function microphoneProblem(error: unknown): Problem {
  const name = error instanceof Error ? error.name : "";
  return MICROPHONE[name] ?? { title: words.notOpened, advice: words.notOpenedAdvice };
}

/** Why the server refused an offer, if that is what happened; its own words are in `detail`. */
export async function refusal(error: unknown): Promise<Problem | null> {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Response) || cause.status >= 500 || cause.status === 404) return null;
  const body = (await cause.json().catch(() => ({}))) as { detail?: string; error?: { message?: string } };
  const said = body.detail ?? body.error?.message ?? String(cause.status);
  const advice = cause.status === 401 ? `${said} ${words.reload}` : said;
  return { title: words.refused, advice };
}
