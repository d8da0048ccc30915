/** Identities and campaigns: questions, and one stream that says when to ask again. */
import { keepPreviousData, queryOptions, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { address, ask, get } from './client';
import type { components } from './schema';

type C = components['schemas'];
export type IdentityRow = C['IdentityRow'];
export type CampaignRow = C['CampaignRow'];
export type ObservationRow = C['ObservationRow'];
export type IdentityEvidence = C['IdentityEvidence'];
export type CampaignEvidence = C['CampaignEvidence'];
export type MindEventRow = C['MindEventRow'];
export type AnalystLinkRow = C['AnalystLinkRow'];

const V = '/api/v1';
type S = { signal: AbortSignal };
export type Level = 'identities' | 'campaigns';

export const identities = (page: { limit: number; offset: number }) =>
  queryOptions({ queryKey: ['identities', page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/identities`, { query: page, signal }), placeholderData: keepPreviousData });
export const campaigns = (page: { limit: number; offset: number }) =>
  queryOptions({ queryKey: ['campaigns', page] as unknown[], queryFn: ({ signal }: S) => get(`${V}/campaigns`, { query: page, signal }), placeholderData: keepPreviousData });
export const identity = (uuid: string) => queryOptions({ queryKey: ['identities', uuid, 'row'], queryFn: ({ signal }: S) => get(`${V}/identities/{uuid}`, { path: { uuid }, signal }) });
export const campaign = (uuid: string) => queryOptions({ queryKey: ['campaigns', uuid, 'row'], queryFn: ({ signal }: S) => get(`${V}/campaigns/{uuid}`, { path: { uuid }, signal }) });
export const observations = (uuid: string) =>
  queryOptions({ queryKey: ['identities', uuid, 'observations'], queryFn: ({ signal }: S) => get(`${V}/identities/{uuid}/observations`, { path: { uuid }, query: { limit: 200, offset: 0 }, signal }) });
export const members = (uuid: string) =>
  queryOptions({ queryKey: ['campaigns', uuid, 'identities'], queryFn: ({ signal }: S) => get(`${V}/campaigns/{uuid}/identities`, { path: { uuid }, query: { limit: 200, offset: 0 }, signal }) });
export const identityEvidence = (uuid: string) =>
  queryOptions({ queryKey: ['identities', uuid, 'evidence'], queryFn: ({ signal }: S) => get(`${V}/identities/{uuid}/evidence`, { path: { uuid }, signal }) });
export const campaignEvidence = (uuid: string) =>
  queryOptions({ queryKey: ['campaigns', uuid, 'evidence'], queryFn: ({ signal }: S) => get(`${V}/campaigns/{uuid}/evidence`, { path: { uuid }, signal }) });

/** Says that two are one (true), are not (false), or takes it back (null). */
export const sayLink = (level: Level, a: string, b: string, same: boolean | null): Promise<unknown> => ask('PUT', `/${level}/links`, { body: { a, b, same } });

/** Keeps everything about identities or campaigns fresh while a page of it is open; whether the stream is open. */
export function useMind(level: Level): boolean {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let soon: ReturnType<typeof setTimeout> | undefined;
    let last: string | null = null;
    let gone = false;
    const again = () => { if (!gone) timer = setTimeout(() => void begin(), 3000); };
    const changed = (e: MessageEvent) => {
      last = e.lastEventId;
      soon ??= setTimeout(() => { soon = undefined; void client.invalidateQueries({ queryKey: [level] }); }, 400);
    };
    const begin = async (): Promise<void> => {
      try {
        const { ticket } = await ask<{ ticket: string }>('POST', '/auth/sse-ticket');
        if (gone) return;
        source = new EventSource(address(`/${level}/events`, { ticket, lastEventId: last }));
        source.addEventListener('open', () => setOpen(true));
        source.addEventListener('snapshot', (e) => { last = e.lastEventId; });
        for (const name of ['formed', 'observation.linked', 'identity.assigned', 'campaign.assigned', 'merged', 'unmerged']) source.addEventListener(name, changed);
        source.addEventListener('error', () => { source?.close(); setOpen(false); again(); });
      } catch {
        again();
      }
    };
    void begin();
    return () => { gone = true; clearTimeout(timer); clearTimeout(soon); source?.close(); };
  }, [client, level]);
  return open;
}
