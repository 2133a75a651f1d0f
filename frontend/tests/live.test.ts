import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Backoff } from "../src/live/backoff";
import { LiveClient } from "../src/live/client";
import { type LinkStatus, type LiveOptions, type Socket, TicketError } from "../src/live/link";
import type { ServerMessage } from "../src/live/messages";

class FakeSocket implements Socket {
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor() {
    FakeSocket.all.push(this);
  }
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1) as FakeSocket;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(code = 1000): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  hear(...messages: object[]): void {
    this.onmessage?.({ data: JSON.stringify(messages.length === 1 ? messages[0] : messages) });
  }
  types(): unknown[] {
    return this.sent.map((message) => message.type);
  }
}

const authOk = (extra: object = {}) => ({
  type: "AUTH_OK",
  user: "u",
  role: "viewer",
  store: "s",
  seq: "10",
  heartbeatSeconds: 30,
  ...extra,
});
const taskUpdate = (seq: string, id = "t") => ({ type: "TASK_UPDATE", store: "s", seq, at: Date.now(), task: { id } });

function client(options: Partial<LiveOptions> = {}): LiveClient {
  return new LiveClient({
    topics: ["nodes", "tasks", "alerts"],
    start: { store: "s", seq: "10" },
    openSocket: () => new FakeSocket(),
    ticket: async () => "ticket",
    random: () => 0,
    schedule: (flush) => flush(),
    ...options,
  });
}

/** Waits until the ticket has arrived. */
const settle = () => vi.advanceTimersByTimeAsync(0);

async function connected(options: Partial<LiveOptions> = {}): Promise<{ live: LiveClient; socket: FakeSocket }> {
  const live = client(options);
  live.start();
  await settle();
  const socket = FakeSocket.last;
  socket.open();
  socket.hear(authOk());
  return { live, socket };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
});
afterEach(() => vi.useRealTimers());

describe("opening", () => {
  it("authenticates first, then requests messages since the page was rendered", async () => {
    const { live, socket } = await connected();

    expect(socket.sent.slice(0, 2)).toEqual([
      { type: "AUTH", token: "ticket", batch: true },
      { type: "SUBSCRIBE", topics: ["nodes", "tasks", "alerts"], since: { store: "s", seq: "10" } },
    ]);
    expect(live.status.kind).toBe("live");
  });

  it("requests a snapshot if the store differs", async () => {
    const live = client();
    live.start();
    await settle();
    FakeSocket.last.open();
    FakeSocket.last.hear(authOk({ store: "other" }));

    expect(FakeSocket.last.sent[1]).toEqual({ type: "SUBSCRIBE", topics: ["nodes", "tasks", "alerts"] });
  });

  it("unsubscribes from default topics that the page does not show", async () => {
    const { socket } = await connected({ topics: ["task:1"] });

    expect(socket.sent[1]).toEqual({ type: "UNSUBSCRIBE", topics: ["nodes", "tasks", "alerts"] });
  });

  it("sends no requests before it is authenticated", async () => {
    const live = client();
    live.start();
    await settle();
    FakeSocket.last.open();

    expect(live.send({ type: "PING" })).toBe(false);
    expect(FakeSocket.last.types()).toEqual(["AUTH"]);
  });
});

describe("order", () => {
  it("applies each message once", async () => {
    const { live, socket } = await connected();
    const seen: string[] = [];
    live.on("TASK_UPDATE", (message) => seen.push(message.seq));

    socket.hear(taskUpdate("9"), taskUpdate("11"), taskUpdate("11"), taskUpdate("100"), taskUpdate("99"));

    expect(seen).toEqual(["11", "100"]);
  });

  it("continues from a snapshot's position, even of another store", async () => {
    const { live, socket } = await connected();
    const seen: ServerMessage[] = [];
    live.on("SNAPSHOT", (message) => seen.push(message));
    live.on("TASK_UPDATE", (message) => seen.push(message));

    socket.hear({ type: "SNAPSHOT", store: "new", seq: "3", topics: ["tasks"], tasks: [] });
    socket.hear(taskUpdate("50"), { ...taskUpdate("4"), store: "new" });

    expect(seen.map((message) => message.type)).toEqual(["SNAPSHOT", "TASK_UPDATE"]);
    expect(live.cursor).toEqual({ store: "new", seq: "4" });
  });

  it("continues if a handler throws", async () => {
    const { live, socket } = await connected();
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const seen: string[] = [];
    live.on("TASK_UPDATE", () => {
      throw new Error("broken");
    });
    live.on("TASK_UPDATE", (message) => seen.push(message.seq));

    socket.hear(taskUpdate("11"));

    expect(seen).toEqual(["11"]);
    expect(error).toHaveBeenCalledOnce();
  });

  it("ignores frames that are not JSON, unknown or incomplete", async () => {
    const { live, socket } = await connected();
    socket.onmessage?.({ data: "{" });
    socket.hear({ type: "SOMETHING_NEW" }, { type: "TASK_UPDATE" }, { type: "constructor" }, 5 as unknown as object);

    expect(live.cursor?.seq).toBe("10");
  });
});

describe("acknowledgement", () => {
  it("acknowledges the first message at once and then at most four times a second", async () => {
    const { socket } = await connected();
    for (let seq = 11; seq < 31; seq += 1) socket.hear(taskUpdate(String(seq)));
    expect(socket.sent.filter((message) => message.type === "ACK")).toEqual([
      { type: "ACK", cursor: { store: "s", seq: "11" }, heldMs: 0 },
    ]);

    await vi.advanceTimersByTimeAsync(250);

    expect(socket.sent.filter((message) => message.type === "ACK").at(-1)).toEqual({
      type: "ACK",
      cursor: { store: "s", seq: "30" },
      heldMs: 250,
    });
    expect(socket.sent.filter((message) => message.type === "ACK")).toHaveLength(2);
  });

  it("sends no acknowledgement twice", async () => {
    const { socket } = await connected();
    socket.hear(taskUpdate("11"));
    socket.hear({ type: "METRICS", at: 1, node: "n" });
    await vi.advanceTimersByTimeAsync(1000);

    expect(socket.sent.filter((message) => message.type === "ACK")).toHaveLength(1);
  });
});

describe("heartbeat", () => {
  it("pings once a heartbeat and shows the measured latency", async () => {
    const { live, socket } = await connected();
    socket.hear({ type: "PONG", store: "s", seq: "12", pushMs: 3 });
    expect(live.status).toEqual({ kind: "live", pushMs: 3 });
    expect(live.cursor?.seq).toBe("12");

    for (let beat = 0; beat < 3; beat += 1) {
      await vi.advanceTimersByTimeAsync(31_000);
      socket.hear({ type: "PONG", store: "s", seq: "12", pushMs: null });
    }

    expect(socket.types().filter((type) => type === "PING")).toHaveLength(4);
    expect(live.status).toEqual({ kind: "live", pushMs: 3 });
  });

  it("reports silence, then drops the link", async () => {
    const { live, socket } = await connected();
    const seen: string[] = [];
    live.onStatus((status) => seen.push(status.kind));

    await vi.advanceTimersByTimeAsync(47_000);
    expect(live.status.kind).toBe("silent");
    await vi.advanceTimersByTimeAsync(30_000);

    expect(socket.readyState).toBe(3);
    expect(seen).toEqual(["live", "silent", "waiting", "connecting"]);
  });

  it("is live again when a message arrives", async () => {
    const { live, socket } = await connected();
    await vi.advanceTimersByTimeAsync(47_000);

    socket.hear({ type: "PONG", store: "s", seq: "1", pushMs: 5 });

    expect(live.status).toEqual({ kind: "live", pushMs: 5 });
  });
});

describe("reconnecting", () => {
  it("waits longer each time, up to a cap, and resumes from its position", async () => {
    const { live, socket } = await connected();
    socket.hear(taskUpdate("11"));
    const waits: number[] = [];
    live.onStatus((status: LinkStatus) => {
      if (status.kind === "waiting") waits.push(status.retryAt - Date.now());
    });

    for (let round = 0; round < 8; round += 1) {
      FakeSocket.last.close(1006);
      await vi.advanceTimersByTimeAsync(16_000);
    }
    FakeSocket.last.open();
    FakeSocket.last.hear(authOk());

    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
    expect(FakeSocket.last.sent[1]).toMatchObject({ type: "SUBSCRIBE", since: { store: "s", seq: "11" } });
  });

  it("spreads a thousand pages over each delay", () => {
    let number = 0;
    const firsts = Array.from({ length: 1000 }, () => new Backoff(() => (number++ % 1000) / 1000).nextDelayMs());

    expect(Math.min(...firsts)).toBe(500);
    expect(Math.max(...firsts)).toBeGreaterThan(990);
    // No quarter of the window gets more than a third of them.
    const quarters = firsts.map((delay) => Math.floor((delay - 500) / 125));
    for (const quarter of [0, 1, 2, 3]) expect(quarters.filter((q) => q === quarter).length).toBeLessThan(334);
  });

  it("reconnects at once when the page becomes visible", async () => {
    const { live } = await connected();
    FakeSocket.last.close(1006);
    live.resume();
    await settle();

    expect(FakeSocket.all).toHaveLength(2);
  });

  it("retries once with a new ticket, then offers the login page", async () => {
    let asked = 0;
    const live = client({
      ticket: async () => {
        asked += 1;
        return "ticket";
      },
    });
    live.start();
    await settle();
    FakeSocket.last.close(4401);
    await vi.advanceTimersByTimeAsync(1000);
    FakeSocket.last.close(4401);
    await vi.advanceTimersByTimeAsync(60_000);

    expect(asked).toBe(2);
    expect(live.status).toMatchObject({ kind: "closed", reason: "login" });
  });

  it("stops if access or a ticket is refused", async () => {
    const { live, socket } = await connected();
    socket.close(4403);
    expect(live.status).toMatchObject({ kind: "closed", reason: "forbidden" });

    const other = client({ ticket: () => Promise.reject(new TicketError("login")) });
    other.start();
    await settle();
    expect(other.status).toMatchObject({ kind: "closed", reason: "login" });
  });

  it.each([
    ["whose ticket never comes", { ticket: () => new Promise<string>(() => {}) }, () => {}],
    ["that never opens", {}, () => {}],
    ["that is opened and not answered", {}, () => FakeSocket.last.open()],
  ])("gives up a try %s", async (_what, options, go) => {
    const live = client(options);
    live.start();
    await settle();
    go();

    await vi.advanceTimersByTimeAsync(19_000);
    expect(live.status.kind).toBe("connecting");
    await vi.advanceTimersByTimeAsync(1_000);

    expect(live.status.kind).toBe("waiting");
    expect(FakeSocket.all.every((socket) => socket.readyState === 3)).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(live.status.kind).toBe("connecting");
  });

  it("ignores a ticket that arrives after its attempt has ended", async () => {
    let bring: (ticket: string) => void = () => {};
    const live = client({ ticket: () => new Promise((resolve) => (bring = resolve)) });
    live.start();
    await vi.advanceTimersByTimeAsync(20_000);
    bring("late");
    await settle();

    expect(FakeSocket.all).toHaveLength(0);
  });

  it("retries if the ticket cannot be fetched", async () => {
    const live = client({ ticket: () => Promise.reject(new TicketError("network")) });
    live.start();
    await settle();

    expect(live.status.kind).toBe("waiting");
  });

  it("leaves no timer behind when it is closed", async () => {
    const { live } = await connected();
    live.suspend();

    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the age of the page", () => {
  const pong = (seq: string) => ({ type: "PONG", store: "s", seq, pushMs: null });
  const statuses = (live: LiveClient): LinkStatus[] => {
    const seen: LinkStatus[] = [];
    live.onStatus((status) => seen.push(status));
    return seen;
  };

  it("counts from the disconnect until all missed messages have arrived", async () => {
    const { live, socket } = await connected();
    const cut = Date.now();
    socket.close(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(live.status).toEqual({ kind: "connecting", since: cut });

    FakeSocket.last.open();
    FakeSocket.last.hear(authOk({ seq: "12" }));
    expect(live.status).toEqual({ kind: "behind", since: cut });
    FakeSocket.last.hear(taskUpdate("11"), pong("11"));
    expect(live.status).toEqual({ kind: "behind", since: cut });
    FakeSocket.last.hear(taskUpdate("12"), pong("12"));
    expect(live.status.kind).toBe("live");
  });

  it("is current again with a snapshot", async () => {
    const { live, socket } = await connected();
    socket.close(1006);
    await vi.advanceTimersByTimeAsync(500);
    FakeSocket.last.open();
    FakeSocket.last.hear(authOk({ store: "other" }));
    expect(live.status.kind).toBe("behind");
    FakeSocket.last.hear({ type: "SNAPSHOT", store: "other", seq: "3", topics: [] });

    expect(live.status.kind).toBe("live");
  });

  it("sends a PING after a late message, and is behind without an answer", async () => {
    const { live, socket } = await connected();
    const at = Date.now() - 8000;
    socket.hear({ ...taskUpdate("11"), at });
    expect(live.status.kind).toBe("live");

    await vi.advanceTimersByTimeAsync(3000);
    expect(live.status).toEqual({ kind: "behind", since: at });
    socket.hear(pong("11"));
    expect(live.status.kind).toBe("live");
  });

  it("does not flicker if only the clocks differ", async () => {
    const { live, socket } = await connected();
    const seen = statuses(live);
    for (const seq of ["11", "12", "13"]) {
      socket.hear({ ...taskUpdate(seq), at: Date.now() - 3_600_000 });
      socket.hear(pong(seq));
      await vi.advanceTimersByTimeAsync(5000);
    }

    expect(seen.map((status) => status.kind)).not.toContain("behind");
  });

  it("is behind while received messages are not applied", async () => {
    const { live, socket } = await connected({ schedule: () => undefined });
    socket.hear(taskUpdate("11"));
    const at = Date.now();
    await vi.advanceTimersByTimeAsync(5000);
    expect(live.status).toEqual({ kind: "behind", since: at });

    live.flush();
    expect(live.status.kind).toBe("live");
  });
});

describe("measured latency", () => {
  it("is requested soon after an ACK, and only then", async () => {
    const { socket } = await connected();
    socket.hear({ type: "PONG", store: "s", seq: "1", pushMs: null });
    socket.hear(taskUpdate("11"));
    await vi.advanceTimersByTimeAsync(6000);
    socket.hear({ type: "PONG", store: "s", seq: "1", pushMs: 4 });
    await vi.advanceTimersByTimeAsync(20_000);

    expect(socket.types().filter((type) => type === "PING")).toHaveLength(2);
  });
});

describe("a hidden page", () => {
  it("applies messages that arrived before it was hidden", async () => {
    const { live, socket } = await connected({ schedule: () => undefined });
    const seen: string[] = [];
    live.on("TASK_UPDATE", (message) => seen.push(message.seq));
    socket.hear(taskUpdate("11"));
    expect(seen).toEqual([]);

    live.flush();

    expect(seen).toEqual(["11"]);
  });
});
