/** Every question the page asks, under the name it is remembered by. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { get } from './client';
import { ApiError } from './problem';
import type { AttackerRow, Behaviour, Health, IntelRow, LogRow } from './types';

export type LogAsk = { start_time?: string | undefined; end_time?: string | undefined; search?: string | undefined };
export type AttackerAsk = { search?: string | undefined; sort_by?: string | undefined; service?: string | undefined; decky?: string | undefined };
export type Slice = { limit: number; offset: number };

const V = '/api/v1';
type S = { signal: AbortSignal };
/** `exactOptionalPropertyTypes` is not ours to ask of the generated types: absent and undefined are the same in a query string. */
const clean = <T extends object>(query: T): { [K in keyof T]: Exclude<T[K], undefined> } => query as never;

/** An unhealthy answer is an answer too (503 with a body). */
async function askHealth({ signal }: S): Promise<Health> {
  try {
    return await get(`${V}/health`, { signal });
  } catch (error) {
    const body = error instanceof ApiError ? (error.body as Health | null) : null;
    if (body?.components !== undefined) return body;
    throw error;
  }
}

export const stats = () => queryOptions({ queryKey: ['stats'], queryFn: ({ signal }: S) => get(`${V}/stats`, { signal }), refetchInterval: 30_000 });
export const health = () => queryOptions({ queryKey: ['health'], queryFn: askHealth, refetchInterval: 15_000 });
export const workers = () => queryOptions({ queryKey: ['workers'], queryFn: ({ signal }: S) => get(`${V}/workers`, { signal }), refetchInterval: 15_000 });
export const deckies = () => queryOptions({ queryKey: ['deckies'], queryFn: ({ signal }: S) => get(`${V}/deckies`, { query: { limit: 1000 }, signal }), refetchInterval: 15_000 });
export const decky = (id: string) => queryOptions({ queryKey: ['deckies', id], queryFn: ({ signal }: S) => get(`${V}/deckies/{id}`, { path: { id }, signal }), refetchInterval: 15_000 });
export const users = () => queryOptions({ queryKey: ['users'], queryFn: ({ signal }: S) => get(`${V}/config/users`, { signal }) });
export const settings = () => queryOptions({ queryKey: ['settings'], queryFn: ({ signal }: S) => get(`${V}/config`, { signal }), staleTime: 300_000 });
export const version = () => queryOptions({ queryKey: ['version'], queryFn: ({ signal }: S) => get(`${V}/system/version`, { signal }), staleTime: 60_000 });
export const openapi = () => queryOptions({ queryKey: ['openapi'], queryFn: ({ signal }: S) => get(`${V}/openapi.json`, { signal }), staleTime: Infinity });

export const logs = (q: LogAsk, page: Slice) =>
  queryOptions({ queryKey: ['logs', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/logs`, { query: clean({ ...q, ...page }), signal }), staleTime: 60_000 });
/** Newest rows that answer `search`; asked again when something happened. */
export const recent = (search: string, limit: number) =>
  queryOptions({ queryKey: ['recent', search, limit], queryFn: ({ signal }: S) => get(`${V}/logs`, { query: { search, limit }, signal }), placeholderData: keepPreviousData });
export const histogram = (q: LogAsk, key: 'recent' | 'histogram' = 'histogram') =>
  queryOptions({ queryKey: [key, 'bars', q] as unknown[], queryFn: ({ signal }: S) => get(`${V}/logs/histogram`, { query: clean(q), signal }), placeholderData: keepPreviousData, staleTime: 5000 });

export const attackers = (q: AttackerAsk, page: Slice) =>
  queryOptions({
    queryKey: ['attackers', q, page] as unknown[],
    queryFn: ({ signal }: S) => get(`${V}/attackers`, { query: clean({ ...q, sort_by: q.sort_by as 'recent' | undefined, ...page }), signal }),
    staleTime: 5000,
    placeholderData: keepPreviousData,
  });

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** By address (as everywhere on the page) or by uuid. `null`: seen, but not profiled yet. */
export const attacker = (key: string) =>
  queryOptions({
    queryKey: ['attacker', key],
    queryFn: async ({ signal }: S): Promise<AttackerRow | null> => {
      if (UUID.test(key)) return get(`${V}/attackers/{uuid}`, { path: { uuid: key }, signal });
      const page = await get(`${V}/attackers`, { query: { search: key, limit: 200 }, signal });
      return page.data.find((row) => row.ip === key) ?? null;
    },
  });
export const attackerLogs = (ip: string, event_type: string, page: Slice) =>
  queryOptions({
    queryKey: ['attacker', ip, event_type, page],
    queryFn: ({ signal }: S) => get(`${V}/logs`, { query: { search: `attacker:${ip} event:${event_type}`, ...page }, signal }),
    placeholderData: keepPreviousData,
  });
export const bounty = (q: { bounty_type?: string; search?: string; attacker_ip?: string }, page: Slice) =>
  queryOptions({ queryKey: ['attacker', q.attacker_ip ?? '', 'bounty', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/bounty`, { query: clean({ ...q, ...page }), signal }) });

export const credentials = (q: { search?: string | undefined; service?: string | undefined; attacker_ip?: string | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['credentials', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/credentials`, { query: clean({ ...q, ...page }), signal }), staleTime: 5000 });
export const sessions = (q: { attacker_ip?: string | undefined; decky?: string | undefined; recorded?: boolean | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['sessions', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/sessions`, { query: clean({ ...q, ...page }), signal }), staleTime: 5000 });
export const session = (sid: string) => queryOptions({ queryKey: ['session', sid], queryFn: ({ signal }: S) => get(`${V}/sessions/{sid}`, { path: { sid }, signal }) });
export const sessionEvents = (sid: string, page: Slice) =>
  queryOptions({ queryKey: ['session', sid, 'events', page], queryFn: ({ signal }: S) => get(`${V}/sessions/{sid}/events`, { path: { sid }, query: page, signal }) });
export const files = (q: { attacker_ip?: string | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['files', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/artifacts`, { query: clean({ ...q, ...page }), signal }), staleTime: 5000 });

/** Nothing there (yet) is an answer: `null`. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const behaviour = (uuid: string) =>
  queryOptions({
    queryKey: ['attacker', uuid, 'behaviour'],
    queryFn: async ({ signal }: S): Promise<Behaviour | null> => {
      const found = await orNull(get(`${V}/attackers/{uuid}/behaviour`, { path: { uuid }, signal }));
      return found === null ? null : (found.behaviour as unknown as Behaviour);
    },
  });
export const intel = (uuid: string) =>
  queryOptions({ queryKey: ['attacker', uuid, 'intel'], queryFn: ({ signal }: S): Promise<IntelRow | null> => orNull(get(`${V}/attackers/{uuid}/intel`, { path: { uuid }, signal })) });
/** The newest look at the stack behind an address: the sniffer's, or else what a connection showed. */
export const stack = (uuid: string) =>
  queryOptions({
    queryKey: ['attacker', uuid, 'stack'],
    queryFn: async ({ signal }: S): Promise<LogRow | null> => {
      const of = (event_type: string) => get(`${V}/attackers/{uuid}/events`, { path: { uuid }, query: { event_type, limit: 1 }, signal });
      return (await of('tcp_syn_fingerprint')).data[0] ?? (await of('connect')).data[0] ?? null;
    },
  });
export const reuse = (q: { min_target_count?: number | undefined; secret_kind?: string | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['credentials', 'reuse', q, page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/credential-reuse`, { query: clean({ ...q, ...page }), signal }), staleTime: 5000 });
export const reuseOne = (id: string) => queryOptions({ queryKey: ['credentials', 'reuse', id], queryFn: ({ signal }: S) => get(`${V}/credential-reuse/{id}`, { path: { id }, signal }) });
