/** The live stream: one EventSource for the page, resumed without a gap, its rows handed out in calm batches. */
import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { address, ask } from './client';
import { currentSession, onSession } from './session';
import type { LogRow, Stats, Workers } from './types';

export type LiveState = { phase: 'off' | 'opening' | 'open' | 'broken'; since: number; rows: LogRow[]; lost: number; perMinute: number };

/** Rows kept for the feeds. Older ones are asked for from the server. */
export const KEPT = 3000;
/** Milliseconds between two hand-outs. */
const BEAT = 250;

let state: LiveState = { phase: 'off', since: Date.now(), rows: [], lost: 0, perMinute: 0 };
const listeners = new Set<() => void>();
let source: EventSource | null = null;
let queue: LogRow[] = [];
let beat: ReturnType<typeof setTimeout> | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;
let tries = 0;
let lastId: string | null = null;
let newest = 0;
let client: QueryClient | null = null;
let arrivals: { at: number; n: number }[] = [];
const stale = new Map<string, ReturnType<typeof setTimeout>>();

function tell(change: Partial<LiveState>): void {
  state = { ...state, ...change };
  for (const each of listeners) each();
}

function phase(next: LiveState['phase']): void {
  if (state.phase !== next) tell({ phase: next, since: Date.now() });
}

function handOut(): void {
  beat = undefined;
  const now = Date.now();
  arrivals = arrivals.filter((a) => now - a.at < 60_000);
  told = new Map(news);
  if (queue.length === 0) return tell({});
  const fresh = queue;
  queue = [];
  arrivals.push({ at: now, n: fresh.length });
  fresh.reverse();
  const rows = fresh.concat(state.rows);
  if (rows.length > KEPT) rows.length = KEPT;
  tell({ rows, perMinute: arrivals.reduce((sum, a) => sum + a.n, 0) });
}

/** Marks a query as old, at most once in `wait` milliseconds. */
function soon(key: string, wait: number, which?: string): void {
  const name = `${key} ${which ?? ''}`;
  if (stale.has(name)) return;
  stale.set(name, setTimeout(() => {
    stale.delete(name);
    void client?.invalidateQueries({ queryKey: which === undefined ? [key] : [key, which] });
  }, wait));
}

const news = new Map<string, number>();

/** Counts what changed on a topic, told calmly; lists decide themselves when to look. */
function bump(topic: string): void {
  news.set(topic, (news.get(topic) ?? 0) + 1);
  beat ??= setTimeout(handOut, BEAT);
}

/** How often `topic` changed since the page was opened. */
export function useNews(topic: string): number {
  return useSyncExternalStore(subscribe, () => told.get(topic) ?? 0);
}
let told: ReadonlyMap<string, number> = new Map();

function read(event: MessageEvent<string>): unknown {
  if (event.lastEventId !== '') lastId = event.lastEventId;
  try {
    return JSON.parse(event.data);
  } catch {
    return null;
  }
}

function takeRows(value: unknown): void {
  const rows = (Array.isArray(value) ? value : []) as LogRow[];
  for (const row of rows) {
    if (typeof row?.id !== 'number' || row.id <= newest) continue;
    newest = row.id;
    queue.push(row);
  }
  // A burst longer than what is kept would only be thrown away later.
  if (queue.length > KEPT) queue = queue.slice(-KEPT);
  if (queue.length > 0) {
    beat ??= setTimeout(handOut, BEAT);
    soon('recent', 3000);
  }
}

async function open(): Promise<void> {
  clearTimeout(retry);
  source?.close();
  source = null;
  const session = currentSession();
  if (session === null || session.mustChange) return phase('off');
  if (state.phase !== 'broken') phase('opening');
  try {
    const { ticket } = await ask<{ ticket: string }>('POST', '/auth/sse-ticket');
    const stream = new EventSource(address('/stream', { ticket, lastEventId: lastId }));
    source = stream;
    stream.addEventListener('open', () => {
      tries = 0;
      phase('open');
    });
    stream.addEventListener('hello', (e) => {
      const mark = read(e) as { last_log_id?: number } | null;
      if (lastId === null && typeof mark?.last_log_id === 'number') lastId = String(mark.last_log_id);
    });
    stream.addEventListener('logs', (e) => takeRows(read(e)));
    stream.addEventListener('stats', (e) => {
      const stats = read(e) as Stats | null;
      if (stats !== null) client?.setQueryData(['stats'], stats);
    });
    stream.addEventListener('attacker', (e) => {
      const who = read(e) as { ip?: string } | null;
      bump('attackers');
      if (typeof who?.ip === 'string') soon('attacker', 2000, who.ip);
      soon('here', 2000);
    });
    stream.addEventListener('workers', (e) => {
      const workers = read(e) as Workers | null;
      if (workers !== null) client?.setQueryData(['workers'], workers);
    });
    stream.addEventListener('resync', (e) => {
      // Too far behind: go on from the newest row; what lies between is in the lists.
      const mark = read(e) as { last_log_id?: number } | null;
      if (typeof mark?.last_log_id === 'number') lastId = String(mark.last_log_id);
      queue = [];
      newest = 0;
      tell({ rows: [], lost: state.lost + 1 });
      void client?.invalidateQueries();
    });
    stream.addEventListener('error', () => {
      if (source !== stream) return;
      // The ticket is spent: a new one is needed, so the browser's own reconnect is of no use.
      stream.close();
      source = null;
      again();
    });
  } catch {
    again();
  }
}

function again(): void {
  if (currentSession() === null) return phase('off');
  phase('broken');
  const wait = Math.min(5000, 500 * 2 ** tries) * (0.7 + Math.random() * 0.6);
  tries += 1;
  retry = setTimeout(() => void open(), wait);
}

/** Starts when somebody is signed in, stops when nobody is. */
export function startLive(queryClient: QueryClient): void {
  client = queryClient;
  let who: string | null = null;
  const check = (): void => {
    const session = currentSession();
    const next = session === null || session.mustChange ? null : session.username;
    if (next === who) return;
    who = next;
    if (next === null) {
      source?.close();
      source = null;
      clearTimeout(retry);
      queue = [];
      lastId = null;
      newest = 0;
      tell({ phase: 'off', rows: [], perMinute: 0 });
    } else {
      void open();
    }
  };
  onSession(check);
  addEventListener('online', () => {
    if (state.phase === 'broken') void open();
  });
  check();
}

export function useLive(): LiveState {
  return useSyncExternalStore(subscribe, () => state);
}

export function useLivePhase(): LiveState['phase'] {
  return useSyncExternalStore(subscribe, () => state.phase);
}

function subscribe(each: () => void): () => void {
  listeners.add(each);
  return () => listeners.delete(each);
}
