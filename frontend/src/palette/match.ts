/** Searches commands, best match first. Pure. */

export interface Entry {
  label: string;
  /** Label of its kind. */
  kind: string;
  icon: string;
  run: () => void;
}

/** All words must occur; matches at the start of the label or of a word rank higher. */
export function matches(entries: readonly Entry[], typed: string, limit: number): Entry[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const scored: [score: number, order: number, entry: Entry][] = [];
  entries.forEach((entry, order) => {
    const label = entry.label.toLowerCase();
    let score = 0;
    for (const word of words) {
      const at = label.indexOf(word);
      if (at < 0) return;
      const startsWord = at === 0 || /[\s\-_/.:]/.test(label[at - 1] ?? "");
      score += at === 0 ? 4 : startsWord ? 2 : 1;
    }
    scored.push([score, order, entry]);
  });
  scored.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  return scored.slice(0, limit).map(([, , entry]) => entry);
}
