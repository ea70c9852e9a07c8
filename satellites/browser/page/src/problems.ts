// What can go wrong, in words that say what to do.

export interface Problem {
  title: string;
  advice: string;
}

export const INSECURE: Problem = {
  title: "The microphone needs https",
  advice:
    "Browsers only let a page listen over https or on the machine itself (localhost). " +
    "Open this page with https, or type below and hear the answer.",
};

export const UNREACHABLE: Problem = {
  title: "The assistant can't be reached",
  advice: "Check that its server is running and that this device is on the same network. Trying again by itself.",
};

export const STARTING: Problem = {
  title: "The assistant is waking up",
  advice: "Its models are being loaded. The conversation begins by itself.",
};

export const LOST: Problem = { title: "Connection lost", advice: "Connecting again by itself." };

const SETTINGS = "Allow it in the site settings beside the address, then press the button again. You can also type below.";

const MICROPHONE: Record<string, Problem> = {
  NotAllowedError: { title: "The microphone is blocked", advice: SETTINGS },
  SecurityError: { title: "The microphone is blocked", advice: SETTINGS },
  NotFoundError: {
    title: "No microphone found",
    advice: "Connect one and press the button again. You can also type below.",
  },
  NotReadableError: {
    title: "The microphone is in use",
    advice: "Close the program that is using it and press the button again. You can also type below.",
  },
};

export function microphoneProblem(error: unknown): Problem {
  const name = error instanceof Error ? error.name : "";
  return (
    MICROPHONE[name] ?? {
      title: "The microphone could not be opened",
      advice: "Press the button to try again. You can also type below.",
    }
  );
}

/** Why the server refused an offer, if that is what happened; its own words are in `detail`. */
export async function refusal(error: unknown): Promise<Problem | null> {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Response) || cause.status >= 500 || cause.status === 404) return null;
  const body = (await cause.json().catch(() => ({}))) as { detail?: string; error?: { message?: string } };
  const words = body.detail ?? body.error?.message ?? `It answered ${cause.status}.`;
  const advice = cause.status === 401 ? `${words} Load this page again to give it.` : words;
  return { title: "The assistant refused the conversation", advice };
}
