/** A whole recording, fetched part by part. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { get } from './client';
import type { Fields } from './types';

/** Most events that are kept in memory for one replay. */
const MOST = 400_000;
const PART = 5000;

export function useTranscript(decky: string, sid: string): { header: Fields; events: unknown[]; total: number; done: boolean; truncated: boolean; error: unknown; again: () => void } {
  const q = useInfiniteQuery({
    queryKey: ['transcript', decky, sid],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => get('/api/v1/transcripts/{decky}/{sid}', { path: { decky, sid }, query: { limit: PART, offset: pageParam }, signal }),
    getNextPageParam: (last) => (last.has_more && last.events.length > 0 && last.offset + last.events.length < MOST ? last.offset + last.events.length : undefined),
    staleTime: Infinity,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage, isError } = q;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, isError]);
  const events = useMemo(() => (q.data?.pages ?? []).flatMap((p) => p.events as unknown[]), [q.data]);
  const first = q.data?.pages[0];
  return {
    header: (first?.header ?? {}) as Fields,
    events,
    total: first?.total ?? 0,
    done: q.data !== undefined && !hasNextPage,
    truncated: first?.truncated ?? false,
    error: q.error,
    again: () => void q.refetch(),
  };
}
