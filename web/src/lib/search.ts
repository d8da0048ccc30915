/** The search language of events, as the server reads it, so that live rows are filtered alike: `key:value`, words, "two words"; all must hold. */
import type { LogRow } from '../api/types';

export type Term = { key: string | null; value: string };

const MOST_TOKENS = 16;
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*:[0-9a-f:.]*)$/i;

/** Splits as a shell does: blanks part, quotes and backslash keep. The first colon outside quotes ends a key. */
export function terms(search: string): Term[] {
  const out: Term[] = [];
  let text = '';
  let colon = -1;
  let any = false;
  let quote: string | null = null;
  const flush = (): void => {
    if (any && text !== '') out.push(termOf(text, colon));
    text = '';
    colon = -1;
    any = false;
  };
  for (let n = 0; n < search.length; n += 1) {
    const char = search[n] ?? '';
    if (quote !== null && char === quote) quote = null;
    else if (quote === "'") text += char;
    else if (char === '\\') {
      n += 1;
      text += search[n] ?? '';
      any = true;
    } else if (quote !== null) text += char;
    else if (char === '"' || char === "'") {
      quote = char;
      any = true;
    } else if (/\s/.test(char)) flush();
    else {
      if (char === ':' && colon < 0) colon = text.length;
      text += char;
      any = true;
    }
  }
  flush();
  return out.slice(0, MOST_TOKENS);
}

function termOf(text: string, colon: number): Term {
  if (colon > 0) {
    const key = text.slice(0, colon);
    const value = text.slice(colon + 1);
    if (/^[a-z_][a-z0-9_-]*$/i.test(key) && value !== '' && !value.startsWith('//') && !ADDRESS.test(text)) return { key: NAMES[key] ?? key.replaceAll('-', '_'), value };
  }
  return { key: null, value: text };
}

const NAMES: Record<string, string> = { event_type: 'event', 'attacker-ip': 'attacker', attacker_ip: 'attacker', session_id: 'session' };

const JOINTS = /^[._:@-]+|[._:@-]+$/g;
const CJK = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u{20000}-\u{3ffff}]/u;

/** Runs of letters and digits, joined by `. _ : @ -`, in lower case. */
function runs(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}._:@-]+/gu) ?? [])
    .flatMap((run) => (CJK.test(run) ? [...run].filter((c) => /[\p{L}\p{N}]/u.test(c)) : [run.replaceAll(JOINTS, '')]))
    .filter((run) => run !== '');
}

function wordsOf(row: LogRow): Set<string> {
  const words = new Set<string>();
  const take = (text: string): void => {
    for (const run of runs(text)) {
      words.add(run);
      for (const piece of run.split(/[:@]/)) {
        words.add(piece.replaceAll(JOINTS, ''));
        for (const part of piece.split(/[._-]/)) words.add(part);
      }
    }
  };
  const value = (v: unknown, depth: number): void => {
    if (typeof v === 'string') take(v);
    else if (typeof v === 'number') take(String(v));
    else if (typeof v === 'object' && v !== null && depth > 0) for (const item of Object.values(v)) value(item, depth - 1);
  };
  for (const text of [row.decky, row.service, row.event_type, row.attacker_ip, row.msg]) take(text);
  for (const [key, v] of Object.entries(row.fields)) {
    if (!/^(syn|client_hello|kexinit)$|_b64$|_hex$/.test(key)) value(v, 8);
  }
  return words;
}

const COLUMNS: Record<string, (row: LogRow) => unknown> = {
  service: (r) => r.service, event: (r) => r.event_type, attacker: (r) => r.attacker_ip, session: (r) => r.session_id, port: (r) => r.dst_port,
};

/** Whether one row answers a search. */
export function matches(row: LogRow, search: Term[]): boolean {
  let words: Set<string> | null = null;
  return search.every(({ key, value }) => {
    if (key === 'decky') return row.decky === value || row.decky.slice(row.decky.indexOf(':') + 1) === value;
    if (key !== null) {
      const column = COLUMNS[key];
      const found = column === undefined ? row.fields[key] : column(row);
      return found !== undefined && found !== null && typeof found !== 'object' && String(found) === value;
    }
    const wanted = runs(value);
    if (wanted.length === 0) return false;
    words ??= wordsOf(row);
    const all = words;
    return wanted.every((word, n) => all.has(word) || (n === wanted.length - 1 && /[\p{L}\p{N}]\*$/u.test(value) && word.length >= 2 && [...all].some((w) => w.startsWith(word))));
  });
}

/** Adds or replaces `key:value`; quotes it if it must be. */
export function withTerm(search: string, key: string, value: string): string {
  return [...terms(search).filter((t) => t.key !== key), { key, value }].map(spell).join(' ');
}

/** Takes `key:` away. */
export function withoutTerm(search: string, key: string): string {
  return terms(search).filter((t) => t.key !== key).map(spell).join(' ');
}

export function spell({ key, value }: Term): string {
  const needs = /[\s"'\\]/.test(value) || (key === null && terms(value)[0]?.key != null);
  const quoted = needs ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value;
  return key === null ? quoted : `${key}:${quoted}`;
}
