/** Characters that nobody sees, as the server decides (nodes/domain/unseen.py): people get a mark instead. */

import { EMOJI, UNSEEN } from "./unseen-table";

const PATTERN = new RegExp(`(${EMOJI})|[${UNSEEN}]`, "gu");
const MAY_BE_UNSEEN = /[^\t\n -~]/;

export function visible(text: string): string {
  if (!MAY_BE_UNSEEN.test(text)) return text;
  return text.replace(
    PATTERN,
    (character, emoji: string | undefined) =>
      emoji ?? `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}
