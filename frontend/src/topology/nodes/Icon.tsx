import { useIsland } from "../context";

export function Icon({ name }: { name: string }) {
  const { bridge } = useIsland();
  return (
    <svg className="icon" aria-hidden="true">
      <use href={`${bridge.sprite}#${name}`} />
    </svg>
  );
}
