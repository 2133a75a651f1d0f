/** The short-lived ticket that AUTH carries: the one in the page first, later ones from the server. */

import { TicketError } from "./link";

const LIFETIME_MS = 45_000;

/** A source of tickets. The page's own is used while it is young; a page that slept asks for a new one. */
export function ticketSource(options: { initial: string; url: string; loadedAt: number }): (fresh: boolean) => Promise<string> {
  let isInitialUnused = options.initial !== "";
  return async (fresh) => {
    const isYoung = Date.now() - options.loadedAt < LIFETIME_MS;
    if (isInitialUnused && isYoung && !fresh) {
      isInitialUnused = false;
      return options.initial;
    }
    return fetchTicket(options.url);
  };
}

async function fetchTicket(url: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error", cache: "no-store" });
  } catch {
    throw new TicketError("network");
  }
  if (response.status === 401) throw new TicketError("login");
  if (response.status === 403) throw new TicketError("forbidden");
  if (!response.ok) throw new TicketError("network");
  const body: unknown = await response.json().catch(() => null);
  const ticket = (body as { ticket?: unknown } | null)?.ticket;
  if (typeof ticket !== "string") throw new TicketError("network");
  return ticket;
}
