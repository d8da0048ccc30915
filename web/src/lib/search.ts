/** The search language of events, as the server reads it, so that live rows are filtered alike: `key:value`, words, "two words"; all must match. */
import type { LogRow } from '../api/types';

export type Term = { key: string | null; value: string };

const COLUMNS: Record<string, keyof LogRow> = {
  decky: 'decky', service: 'service', event: 'event_type', event_type: 'event_type', type: 'event_type', attacker: 'attacker_ip',
  'attacker-ip': 'attacker_ip', attacker_ip: 'attacker_ip', ip: 'attacker_ip', session: 'session_id', session_id: 'session_id', sid: 'session_id',
};

/** Splits at blanks; quotes keep blanks; `key:` before a value names a column or a field. */
export function terms(search: string): Term[] {
  const out: Term[] = [];
  let word = '';
  let key: string | null = null;
  let quote: string | null = null;
  let any = false;
  const flush = (): void => {
    if (any && (word !== '' || key !== null)) out.push({ key, value: word });
    word = '';
    key = null;
    any = false;
  };
  for (const char of search) {
    if (quote !== null) {
      if (char === quote) quote = null;
      else word += char;
      any = true;
    } else if (char === '"' || char === "'") {
      quote = char;
      any = true;
    } else if (/\s/.test(char)) {
      flush();
    } else if (char === ':' && key === null && /^[A-Za-z0-9_-]+$/.test(word)) {
      key = word.toLowerCase();
      word = '';
      any = true;
    } else {
      word += char;
      any = true;
    }
  }
  flush();
  return out;
}

/** Whether one row answers a search. */
export function matches(row: LogRow, search: Term[]): boolean {
  return search.every(({ key, value }) => {
    if (key === null) {
      const word = value.toLowerCase();
      return [row.msg, row.decky, row.service, row.event_type, row.attacker_ip].some((t) => t.toLowerCase().includes(word))
        || JSON.stringify(row.fields).toLowerCase().includes(word);
    }
    const column = COLUMNS[key];
    if (column === 'decky') return row.decky === value || row.decky.endsWith(`:${value}`);
    if (column !== undefined) return String(row[column] ?? '') === value;
    const field = row.fields[key];
    return field !== undefined && field !== null && String(typeof field === 'object' ? JSON.stringify(field) : field) === value;
  });
}

/** Adds or replaces `key:value`; quotes it if it must be. */
export function withTerm(search: string, key: string, value: string): string {
  const rest = terms(search).filter((t) => t.key !== key);
  return [...rest, { key, value }].map(spell).join(' ');
}

/** Takes `key:` away. */
export function withoutTerm(search: string, key: string): string {
  return terms(search).filter((t) => t.key !== key).map(spell).join(' ');
}

export function spell({ key, value }: Term): string {
  const safe = /^[^\s"':]+$/.test(value) || (key !== null && /^[^\s"']+$/.test(value));
  const quoted = safe ? value : value.includes('"') ? `'${value}'` : `"${value}"`;
  return key === null ? quoted : `${key}:${quoted}`;
}
