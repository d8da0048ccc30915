/** A long list that lives on the server: only the pages in sight are here. */
import { useQueries, useQueryClient, type QueryKey } from '@tanstack/react-query';
import { useCallback, useMemo, useRef, useState } from 'react';
import type { Page } from '../api/types';

export const PAGE = 100;
/** Browsers cannot scroll further than some 33 million pixels. */
export const MOST_ROWS = 400_000;

export type Paged<T> = {
  total: number;
  /** Rows that can be scrolled to. */
  count: number;
  at: (index: number) => T | undefined;
  see: (first: number, last: number) => void;
  loading: boolean;
  error: unknown;
  again: () => void;
  fetchSlice: (offset: number, limit: number) => Promise<Page<T>>;
};

type Options<T> = { queryKey: QueryKey; queryFn?: unknown; staleTime?: unknown } & { _?: T };

/** `make` must be stable for one question; a change of `make` is a new list. */
export function usePaged<T>(make: (page: { limit: number; offset: number }) => Options<T>): Paged<T> {
  const [range, setRange] = useState<[number, number]>([0, 0]);
  const client = useQueryClient();
  const lastTotal = useRef(0);
  const wanted = useMemo(() => {
    const all: number[] = [];
    for (let page = range[0]; page <= range[1]; page += 1) all.push(page);
    if (!all.includes(0)) all.push(0);
    return all;
  }, [range]);
  const options = wanted.map((n) => {
    const { placeholderData: _, ...rest } = make({ limit: PAGE, offset: n * PAGE }) as Record<string, unknown>;
    return { ...rest, staleTime: Infinity } as never;
  });
  const results = useQueries({ queries: options }) as { data?: Page<T>; error: unknown; isPending: boolean }[];

  const byPage = new Map<number, Page<T>>();
  wanted.forEach((n, i) => {
    const data = results[i]?.data;
    if (data !== undefined) byPage.set(n, data);
  });
  const first = byPage.get(0) ?? [...byPage.values()][0];
  if (first !== undefined) lastTotal.current = first.total;
  const total = first?.total ?? lastTotal.current;
  const pages = useRef(byPage);
  pages.current = byPage;

  const see = useCallback((from: number, to: number) => {
    const a = Math.floor(from / PAGE);
    const b = Math.floor(Math.max(from, to) / PAGE);
    setRange((old) => (old[0] === a && old[1] === b ? old : [a, b]));
  }, []);
  const key = JSON.stringify((make({ limit: 0, offset: 0 }) as Options<T>).queryKey.slice(0, -1));
  const again = useCallback(() => {
    void client.invalidateQueries({ queryKey: JSON.parse(key) as QueryKey });
  }, [client, key]);

  return {
    total,
    count: Math.min(total, MOST_ROWS),
    at: (index) => pages.current.get(Math.floor(index / PAGE))?.data[index % PAGE],
    see,
    loading: first === undefined && results.some((r) => r.isPending),
    error: results.find((r) => r.error)?.error ?? null,
    again,
    fetchSlice: (offset, limit) => client.fetchQuery({ ...(make({ limit, offset }) as never as object), staleTime: 0, gcTime: 0 } as never) as Promise<Page<T>>,
  };
}
