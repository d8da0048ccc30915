import { useQuery } from '@tanstack/react-query';
import { deckies } from '../api/queries';

/** Narrow to a service. The list is what the fleet offers. */
export function ServiceSelect({ value, set }: { value: string | undefined; set: (v: string | undefined) => void }) {
  const fleet = useQuery(deckies()).data?.data ?? [];
  const names = [...new Set([...fleet.flatMap((d) => d.services), ...(value === undefined ? [] : [value])])].sort();
  return (
    <select className="input" aria-label="Service" value={value ?? ''} onChange={(e) => set(e.target.value || undefined)}>
      <option value="">Any service</option>
      {names.map((n) => <option key={n}>{n}</option>)}
    </select>
  );
}

export function DeckySelect({ value, set }: { value: string | undefined; set: (v: string | undefined) => void }) {
  const fleet = useQuery(deckies()).data?.data ?? [];
  const ids = [...new Set([...fleet.map((d) => `${d.host_uuid}:${d.name}`), ...(value === undefined ? [] : [value])])].sort();
  return (
    <select className="input" aria-label="Decky" value={value ?? ''} onChange={(e) => set(e.target.value || undefined)}>
      <option value="">Any decky</option>
      {ids.map((id) => <option key={id} value={id}>{id.startsWith('local:') ? id.slice(6) : id}</option>)}
    </select>
  );
}
