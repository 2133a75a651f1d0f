/** Parses an agent's lines about processes and metrics. Input is untrusted: lines that do not match stay text. Pure. */

export interface ProcessRow {
  pid: string;
  /** Number of its ancestors in the list. */
  depth: number;
  state: string;
  waits: string;
  cpu: string;
  command: string;
}

export interface FigureRow {
  /** Seconds before the newest sample. */
  before: number;
  output: number;
  cpuSeconds: number;
  read: number;
  written: number;
  processes: number;
  nodeCpu: string;
}

/** Agents' texts for "nothing found", and the page's text keys for them. */
const NOTHING = new Map([
  ["(no output yet)", "evidence.noOutput"],
  ["(no processes)", "evidence.noProcesses"],
  ["(no samples)", "evidence.noSamples"],
]);

const PROCESS = /^(\d+) parent=(\d+) (\S+) (\S+) cpu=([\d.]+)s (.*)$/;
const FIGURES =
  /^([\d.]+) output=(\d+) cpu=([\d.]+)s read=(\d+) written=(\d+) processes=(\d+)(?: node: cpu=([\d.e+-]+)%.*)?$/;

/** The text key if the evidence is empty; undefined otherwise. */
export function emptyText(text: string): string | undefined {
  return NOTHING.get(text.trim());
}

/** Null if no line matches. */
export function processRows(text: string): ProcessRow[] | null {
  const found = matches(text, PROCESS);
  if (!found) return null;
  const parents = new Map(found.map(([, pid = "", parent = ""]) => [pid, parent]));
  return found.map(([, pid = "", , state = "", waits = "", cpu = "", command = ""]) => {
    let depth = 0;
    for (let at = parents.get(pid); at !== undefined && parents.has(at) && depth < 12; at = parents.get(at)) depth += 1;
    return { pid, depth, state, waits: waits === "-" ? "" : waits, cpu, command };
  });
}

export function figureRows(text: string): FigureRow[] | null {
  const found = matches(text, FIGURES);
  if (!found) return null;
  const newest = Math.max(...found.map((row) => Number(row[1])));
  return found.map(([, at, output, cpu, read, written, processes, nodeCpu = ""]) => ({
    before: Math.round(newest - Number(at)),
    output: Number(output),
    cpuSeconds: Number(cpu),
    read: Number(read),
    written: Number(written),
    processes: Number(processes),
    nodeCpu,
  }));
}

function matches(text: string, line: RegExp): RegExpExecArray[] | null {
  const found = text.split("\n").map((one) => line.exec(one));
  return found.every((one) => one !== null) ? (found as RegExpExecArray[]) : null;
}
