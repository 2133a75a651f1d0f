/** Requests to the REST API with the reader's session. Events arrive over `/ws/`; nothing is polled. */

/** `code`: as in ERROR; "unavailable" if the server does not respond. */
export class RestError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The server's own limits are shorter. A request that times out may still have been executed. */
const ANSWER_WITHIN_MS = 30_000;

export function getJson<T>(url: string): Promise<T> {
  return ask(url, { headers: { Accept: "application/json" } });
}

export function postJson<T>(url: string, body: object): Promise<T> {
  const token = document.querySelector<HTMLInputElement>("input[name=csrfmiddlewaretoken]")?.value ?? "";
  return ask(url, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
}

async function ask<T>(url: string, how: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, {
      ...how,
      redirect: "error",
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  } catch {
    throw new RestError("unavailable");
  }
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new RestError(codeOf(body));
  return body as T;
}

function codeOf(body: unknown): string {
  const { code, error } = (body ?? {}) as { code?: unknown; error?: { code?: unknown } };
  return typeof code === "string" ? code : typeof error?.code === "string" ? error.code : "unavailable";
}
