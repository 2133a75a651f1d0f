/** How old something is. The page's one timer writes the text, so a card does not re-render every second. */
export function Age({ at }: { at: number | null }) {
  return <time data-style="age" data-at={at ?? undefined} />;
}
