/** Every question the page asks, under the name it is remembered by. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import { ApiError } from './problem';
import type {
  ArtifactRow, AttackerRow, BountyRow, CredentialRow, FleetDeckyRow, Health, Histogram, LogRow, Page, SessionRow, Settings, Stats, Transcript, UserRow,
  Version, Workers,
} from './types';

export type Range = { start_time?: string | undefined; end_time?: string | undefined };
export type LogAsk = Range & { search?: string | undefined };
export type AttackerAsk = { search?: string | undefined; sort_by?: string | undefined; service?: string | undefined; decky?: string | undefined };
type Slice = { limit: number; offset: number };

type Signal = { signal: AbortSignal };
const get = <T>(path: string, query: Record<string, string | number | boolean | null | undefined>, { signal }: Signal): Promise<T> =>
  ask<T>('GET', path, { query, signal });

/** An unhealthy answer is an answer too (503 with a body). */
async function askHealth(signal: AbortSignal): Promise<Health> {
  try {
    return await ask<Health>('GET', '/health', { signal });
  } catch (error) {
    const body = error instanceof ApiError ? (error.body as Health | null) : null;
    if (body?.components !== undefined) return body;
    throw error;
  }
}

export const stats = () => queryOptions({ queryKey: ['stats'], queryFn: (s) => get<Stats>('/stats', {}, s), refetchInterval: 30_000 });
export const health = () => queryOptions({ queryKey: ['health'], queryFn: (s) => askHealth(s.signal), refetchInterval: 15_000 });
export const workers = () => queryOptions({ queryKey: ['workers'], queryFn: (s) => get<Workers>('/workers', {}, s), refetchInterval: 15_000 });
export const deckies = () => queryOptions({ queryKey: ['deckies'], queryFn: (s) => get<Page<FleetDeckyRow>>('/deckies', { limit: 1000 }, s), refetchInterval: 15_000 });
export const decky = (id: string) => queryOptions({ queryKey: ['deckies', id], queryFn: (s) => get<FleetDeckyRow>(`/deckies/${encodeURIComponent(id)}`, {}, s), refetchInterval: 15_000 });
export const users = () => queryOptions({ queryKey: ['users'], queryFn: (s) => get<{ data: UserRow[] }>('/config/users', {}, s) });
export const settings = () => queryOptions({ queryKey: ['settings'], queryFn: (s) => get<Settings>('/config', {}, s), staleTime: 300_000 });
export const version = () => queryOptions({ queryKey: ['version'], queryFn: (s) => get<Version>('/system/version', {}, s), staleTime: 60_000 });
export const openapi = () => queryOptions({ queryKey: ['openapi'], queryFn: (s) => get<unknown>('/openapi.json', {}, s), staleTime: Infinity });

export const logs = (q: LogAsk, page: Slice) =>
  queryOptions({ queryKey: ['logs', q, page], queryFn: (s) => get<Page<LogRow>>('/logs', { ...q, ...page }, s), staleTime: 60_000 });
/** Newest rows that answer `search`; asked again when something happened. */
export const recent = (search: string, limit: number) =>
  queryOptions({ queryKey: ['recent', search, limit], queryFn: (s) => get<Page<LogRow>>('/logs', { search, limit }, s), placeholderData: keepPreviousData });
export const histogram = (q: LogAsk & { interval_minutes?: number | undefined }, key: 'recent' | 'histogram' = 'histogram') =>
  queryOptions({ queryKey: [key, 'bars', q], queryFn: (s) => get<Histogram>('/logs/histogram', q, s), placeholderData: keepPreviousData, staleTime: 5000 });

export const attackers = (q: AttackerAsk, page: Slice) =>
  queryOptions({ queryKey: ['attackers', q, page], queryFn: (s) => get<Page<AttackerRow>>('/attackers', { ...q, ...page }, s), staleTime: 5000, placeholderData: keepPreviousData });

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** By address (as everywhere on the page) or by uuid. `null`: seen, but not profiled yet. */
export const attacker = (key: string) =>
  queryOptions({
    queryKey: ['attacker', key],
    queryFn: async (s): Promise<AttackerRow | null> => {
      if (UUID.test(key)) return get<AttackerRow>(`/attackers/${key}`, {}, s);
      const page = await get<Page<AttackerRow>>('/attackers', { search: key, limit: 200 }, s);
      return page.data.find((row) => row.ip === key) ?? null;
    },
  });
export const attackerCommands = (ip: string, page: Slice) =>
  queryOptions({
    queryKey: ['attacker', ip, 'commands', page],
    queryFn: (s) => get<Page<LogRow>>('/logs', { search: `attacker:${ip} event:command`, ...page }, s),
    placeholderData: keepPreviousData,
  });
export const bounty = (q: { bounty_type?: string; search?: string; attacker_ip?: string }, page: Slice) =>
  queryOptions({ queryKey: ['bounty', q, page], queryFn: (s) => get<Page<BountyRow>>('/bounty', { ...q, ...page }, s) });

export const credentials = (q: { search?: string | undefined; service?: string | undefined; attacker_ip?: string | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['credentials', q, page], queryFn: (s) => get<Page<CredentialRow>>('/credentials', { ...q, ...page }, s), placeholderData: keepPreviousData, staleTime: 5000 });
export const sessions = (q: { attacker_ip?: string | undefined; decky?: string | undefined; recorded?: boolean | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['sessions', q, page], queryFn: (s) => get<Page<SessionRow>>('/sessions', { ...q, ...page }, s), placeholderData: keepPreviousData, staleTime: 5000 });
export const session = (sid: string) => queryOptions({ queryKey: ['session', sid], queryFn: (s) => get<SessionRow>(`/sessions/${sid}`, {}, s) });
export const sessionEvents = (sid: string, page: Slice) =>
  queryOptions({ queryKey: ['session', sid, 'events', page], queryFn: (s) => get<Page<LogRow>>(`/sessions/${sid}/events`, page, s), placeholderData: keepPreviousData });
export const transcript = (decky: string, sid: string, offset: number) =>
  queryOptions({ queryKey: ['transcript', decky, sid, offset], queryFn: (s) => get<Transcript>(`/transcripts/${encodeURIComponent(decky)}/${sid}`, { limit: 5000, offset }, s), staleTime: Infinity });
export const files = (q: { attacker_ip?: string | undefined }, page: Slice) =>
  queryOptions({ queryKey: ['files', q, page], queryFn: (s) => get<Page<ArtifactRow>>('/artifacts', { ...q, ...page }, s), placeholderData: keepPreviousData, staleTime: 5000 });
