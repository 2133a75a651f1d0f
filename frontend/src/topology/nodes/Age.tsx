/** An age. The page's ticker writes the text, so cards do not re-render every second. */
export function Age({ at }: { at: number | null }) {
  return <time data-style="age" data-at={at ?? undefined} />;
}
