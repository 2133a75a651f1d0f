/** A picture of the page's sprite; always beside a word, so it is hidden from screen readers. */
export function Icon({ name }: { name: string }) {
  return (
    <svg className="icon" aria-hidden="true">
      <use href={`#${name}`} />
    </svg>
  );
}
