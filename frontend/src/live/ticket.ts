/** Fetches the short-lived ticket for AUTH. Each connection gets a new one, so the page contains no secret. */

import { TicketError } from "./link";

/** Throws `TicketError`. */
export async function fetchTicket(url: string): Promise<string> {
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
