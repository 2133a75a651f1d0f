/** How old something is. The page's one timer writes the text: a card is not drawn again because a second has passed. */
export function Age({ at }: { at: number | null }) {
  return <time data-style="age" data-at={at ?? undefined} />;
}
