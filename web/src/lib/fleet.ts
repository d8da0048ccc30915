/** What the fleet did, in a sentence. */
import type { FleetReport } from '../api/types';

export function told(r: FleetReport): { text: string; bad: boolean } {
  const parts: string[] = [];
  const add = (names: string[], what: string): void => {
    if (names.length > 0) parts.push(`${what}: ${names.slice(0, 6).join(', ')}${names.length > 6 ? ` and ${names.length - 6} more` : ''}`);
  };
  add(r.added, 'Added');
  add(r.changed, 'Changed');
  add(r.removed, 'Taken away');
  add(r.repaired, 'Made again');
  add(r.postponed, 'Visited now, changes later');
  add(r.failed.map((f) => `${f.name} (${f.reason})`), 'Failed');
  return { text: parts.length > 0 ? `${parts.join('. ')}.` : 'Nothing had to be done.', bad: r.failed.length > 0 };
}
