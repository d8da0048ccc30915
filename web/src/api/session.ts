/** Who is signed in. The token lives in memory and in sessionStorage: closing the tab signs out. */
import { useSyncExternalStore } from 'react';

export type Session = {
  token: string;
  /** Milliseconds since the epoch. */
  expires: number;
  username: string;
  role: 'admin' | 'viewer';
  mustChange: boolean;
};

const KEY = 'decnet.session';
const listeners = new Set<() => void>();
let session: Session | null = load();
let ended: string | null = null;

function load(): Session | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    if (typeof kept !== 'object' || kept === null) return null;
    const k = kept as Session;
    return typeof k.token === 'string' && typeof k.expires === 'number' && k.expires > Date.now() ? k : null;
  } catch {
    return null;
  }
}

export function currentSession(): Session | null {
  return session;
}

/** Why the last session ended, for the sign-in page. */
export function whyEnded(): string | null {
  return ended;
}

export function setSession(next: Session | null, why: string | null = null): void {
  session = next;
  ended = next === null ? why : null;
  try {
    if (next === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Kept in memory only.
  }
  for (const tell of listeners) tell();
}

export function onSession(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function useSession(): Session | null {
  return useSyncExternalStore(onSession, currentSession);
}

export function useIsAdmin(): boolean {
  return useSession()?.role === 'admin';
}
