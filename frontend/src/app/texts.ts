/** Text, numbers and times in the reader's language. The server's formats are in dashboard/pages/formats.py. */

export type Values = Record<string, string | number>;

export class Texts {
  readonly #strings: Record<string, string>;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;
  readonly #clock: Intl.DateTimeFormat;
  readonly #dayTime: Intl.DateTimeFormat;
  readonly #dateTime: Intl.DateTimeFormat;
  readonly #age: Intl.RelativeTimeFormat;

  constructor(language: string, strings: Record<string, string>) {
    this.#strings = strings;
    this.#plural = new Intl.PluralRules(language);
    this.#number = new Intl.NumberFormat(language);
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
    const dayTime = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    this.#dayTime = new Intl.DateTimeFormat(language, dayTime);
    this.#clock = new Intl.DateTimeFormat(language, time);
    this.#dateTime = new Intl.DateTimeFormat(language, { year: "numeric", month: "2-digit", day: "2-digit", ...time });
    this.#age = new Intl.RelativeTimeFormat(language, { style: "narrow", numeric: "auto" });
  }

  /** The text of this key, with values for its `{names}`. */
  get(key: string, values: Values = {}): string {
    const text = this.#strings[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" ? this.#number.format(value) : value;
    });
  }

  /** `key.one` or `key.other`, by the language's plural rules. */
  count(key: string, count: number, values: Values = {}): string {
    const form = this.#plural.select(count) === "one" ? "one" : "other";
    return this.get(`${key}.${form}`, { count, ...values });
  }

  number(value: number): string {
    return this.#number.format(value);
  }

  /** 14:03:22, or the date and 14:03 on another day. */
  clock(atMs: number, nowMs: number): string {
    const isToday = new Date(atMs).toDateString() === new Date(nowMs).toDateString();
    return (isToday ? this.#clock : this.#dayTime).format(atMs);
  }

  dateTime(atMs: number): string {
    return this.#dateTime.format(atMs);
  }

  /** How long ago, in the largest unit; "now" for the first seconds. */
  age(atMs: number, nowMs: number): string {
    const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000));
    if (seconds < 5) return this.#age.format(0, "second");
    if (seconds < 60) return this.#age.format(-seconds, "second");
    if (seconds < 3600) return this.#age.format(-Math.floor(seconds / 60), "minute");
    if (seconds < 86_400) return this.#age.format(-Math.floor(seconds / 3600), "hour");
    return this.#age.format(-Math.floor(seconds / 86_400), "day");
  }
}

export const NOTHING = "–";

/** 43.2 → "43%". */
export function wholePercent(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : `${Math.round(value)}%`;
}

/** 75 → "1:15", 3700 → "1:01:40": the same in every language. */
export function clockDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const second = String(whole % 60).padStart(2, "0");
  const minute = Math.floor(whole / 60) % 60;
  const hour = Math.floor(whole / 3600);
  return hour > 0 ? `${hour}:${String(minute).padStart(2, "0")}:${second}` : `${minute}:${second}`;
}

/** Readable size, in powers of 1024. */
export function byteSize(count: number | string | null | undefined): string {
  if (count === null || count === undefined || count === "") return NOTHING;
  let size = Number(count);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return `${size >= 100 || unit === "B" ? size.toFixed(0) : size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

export function latency(ms: number | null | undefined): string {
  if (!ms) return NOTHING;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}
