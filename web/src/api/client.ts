/** One way to the API: adds the token, renews it in time, turns refusals into `ApiError`. */
import { ApiError, MUST_CHANGE, problemOf } from './problem';
import type { paths } from './schema';
import { currentSession, onSession, setSession, type Session } from './session';
import type { Token } from './types';

export const BASE = '/api/v1';

type Query = Record<string, string | number | boolean | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return `${BASE}${path}${text === '' ? '' : `?${text}`}`;
}

/** The raw answer; refusals throw. */
export async function send(method: string, path: string, options: { query?: Query; body?: unknown; signal?: AbortSignal | undefined } = {}): Promise<Response> {
  const session = currentSession();
  const headers: Record<string, string> = { accept: 'application/json' };
  if (session !== null) headers['authorization'] = `Bearer ${session.token}`;
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(address(path, options.query), {
    method,
    headers,
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal ?? null,
    cache: 'no-store',
  });
  if (response.ok) return response;
  const problem = await problemOf(response);
  const now = currentSession();
  if (problem.status === 401 && session !== null && now?.token === session.token) {
    setSession(null, 'Your session ended. Sign in again to go on where you were.');
  } else if (problem.kind === MUST_CHANGE && now !== null && !now.mustChange) {
    setSession({ ...now, mustChange: true });
  }
  throw problem;
}

/** Addresses that can be read, as the document names them. */
type Readable = { [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: unknown } } } } ? P : never }[keyof paths];
type Get<P extends Readable> = paths[P] extends { get: infer G } ? G : never;
type Answer<P extends Readable> = Get<P> extends { responses: { 200: { content: { 'application/json': infer T } } } } ? T : never;
type Named<P extends Readable, In extends 'query' | 'path'> = Get<P> extends { parameters: infer A } ? (In extends keyof A ? (NonNullable<A[In]> extends never ? object : NonNullable<A[In]>) : object) : object;

/** Reads `path` of the document; names, query and answer are checked against it. */
export function get<P extends Readable>(path: P, options: { path?: Named<P, 'path'>; query?: Named<P, 'query'>; signal?: AbortSignal }): Promise<Answer<P>> {
  const named = (options.path ?? {}) as Record<string, string>;
  const real = path.slice(BASE.length).replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(named[name] ?? ''));
  return ask<Answer<P>>('GET', real, { query: (options.query ?? {}) as Query, signal: options.signal });
}

export async function ask<T>(method: string, path: string, options: { query?: Query; body?: unknown; signal?: AbortSignal | undefined } = {}): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}


function sessionOf(answer: Token): Session {
  return {
    token: answer.access_token,
    expires: Date.now() + answer.expires_in * 1000,
    username: answer.username,
    role: answer.role === 'admin' ? 'admin' : 'viewer',
    mustChange: answer.must_change_password,
  };
}

export async function signIn(username: string, password: string): Promise<void> {
  const answer = await ask<Token>('POST', '/auth/login', { body: { username, password } });
  setSession(sessionOf(answer));
}

export async function changePassword(old_password: string, new_password: string): Promise<void> {
  const session = currentSession();
  if (session === null) throw new ApiError(401, 'Signed out', 'Sign in first.');
  // All tokens of the account become void; the answer carries a new one.
  setSession(sessionOf(await ask<Token>('POST', '/auth/change-password', { body: { old_password, new_password } })));
}

export async function signOut(): Promise<void> {
  try {
    await send('POST', '/auth/logout');
  } catch {
    // The token runs out by itself.
  }
  setSession(null);
}

let timer: ReturnType<typeof setTimeout> | undefined;
let renewing: Promise<void> | null = null;

/** Renews the token now; several callers share one request. */
export function renew(): Promise<void> {
  renewing ??= (async () => {
    const before = currentSession();
    if (before === null) return;
    try {
      const answer = await ask<Token>('POST', '/auth/refresh');
      if (currentSession()?.token === before.token) setSession(sessionOf(answer));
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) return;
      // The server is away: try again while the token is still good.
      if (before.expires - Date.now() > 20_000) timer = setTimeout(() => void renew(), 10_000);
    }
  })().finally(() => {
    renewing = null;
  });
  return renewing;
}

/** Keeps the token fresh for as long as the page is open. */
export function keepFresh(): void {
  const plan = (): void => {
    clearTimeout(timer);
    const session = currentSession();
    if (session === null || session.mustChange) return;
    const left = session.expires - Date.now();
    if (left <= 0) {
      setSession(null, 'Your session ended. Sign in again to go on where you were.');
      return;
    }
    timer = setTimeout(() => void renew(), Math.max(1000, Math.min(left * 0.6, left - 60_000)));
  };
  onSession(plan);
  document.addEventListener('visibilitychange', () => {
    const session = currentSession();
    if (!document.hidden && session !== null && session.expires - Date.now() < 300_000) void renew();
  });
  plan();
}
