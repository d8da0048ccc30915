/** One way to the API: adds the token, renews it in time, turns refusals into `ApiError`. */
import { ApiError, MUST_CHANGE, problemOf } from './problem';
import { currentSession, onSession, setSession, type Session } from './session';

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

export async function ask<T>(method: string, path: string, options: { query?: Query; body?: unknown; signal?: AbortSignal | undefined } = {}): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

type Token = { access_token: string; expires_in: number; session_expires_in: number; must_change_password: boolean; username: string; role: string };

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
