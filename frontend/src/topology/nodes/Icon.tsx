/** An icon from the page's sprite. Always beside a label, so it is hidden from screen readers. */
export function Icon({ name }: { name: string }) {
  return (
    <svg className="icon" aria-hidden="true">
      <use href={`#${name}`} />
    </svg>
  );
}
