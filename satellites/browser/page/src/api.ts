// Requests to the assistant beside the conversation.

const TIME_LIMIT = 15_000;

/** Asks the assistant for JSON; rejects with its own words where it refuses. */
export async function ask<T>(path: string, method = "GET", body?: object): Promise<T> {
  const answer = await fetch(new URL(path, document.baseURI), {
    method,
    signal: AbortSignal.timeout(TIME_LIMIT),
    ...(body ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } } : {}),
  });
  const read = (await answer.json()) as T & { error?: { message?: string } };
  if (!answer.ok) throw new Error(read.error?.message ?? String(answer.status));
  return read;
}

/** Uses one of the house's tools, as `/v1/tools` offers them. */
export async function use<T>(tool: string, given: object, device: string): Promise<T> {
  const { data } = await ask<{ data: T }>(`v1/tools/${tool}`, "POST", { arguments: given, device });
  return data;
}

/** A name that this browser keeps, so that the assistant knows the device again. */
export function deviceName(): string {
  const kept = localStorage.getItem("device");
  if (kept) return kept;
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const name = `browser-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  localStorage.setItem("device", name);
  return name;
}
