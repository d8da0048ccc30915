/** An answer that was not what we asked for, in words a person can act on. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly kind: string = 'about:blank',
    readonly retryAfter: number | null = null,
    readonly body: unknown = null,
  ) {
    super(detail || title);
  }
}

export const MUST_CHANGE = 'urn:decnet:must-change-password';

/** Reads problem+json; anything else becomes one too. */
export async function problemOf(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get('retry-after')) || null;
  try {
    const body: unknown = await response.clone().json();
    if (typeof body === 'object' && body !== null) {
      const b = body as Record<string, unknown>;
      return new ApiError(response.status, String(b['title'] ?? response.statusText), String(b['detail'] ?? ''), String(b['type'] ?? ''), wait, body);
    }
  } catch {
    // Not JSON: a proxy in between, or the server going down.
  }
  return new ApiError(response.status, response.statusText || `HTTP ${response.status}`, '', 'about:blank', wait);
}

/** One sentence for people: what failed and what to do. */
export function advice(error: unknown): { what: string; todo: string } {
  if (!(error instanceof ApiError)) {
    return { what: 'The server cannot be reached.', todo: 'Capture goes on without this page. Check that decnet runs and that this browser reaches it; the page tries again by itself.' };
  }
  switch (error.status) {
    case 401:
      return { what: 'You are signed out.', todo: 'Sign in again; your view is kept in the address.' };
    case 403:
      return { what: 'Your account may not do this.', todo: error.detail || 'Ask an administrator.' };
    case 404:
      return { what: error.detail || 'There is no such thing.', todo: 'It may have been removed, or the address is wrong.' };
    case 422:
    case 400:
      return { what: 'The server did not accept the question.', todo: error.detail };
    case 429:
      return { what: 'Too many requests.', todo: error.retryAfter ? `Wait ${error.retryAfter} seconds, then try again.` : 'Wait a little, then try again.' };
    case 503:
      return { what: 'The database does not answer.', todo: 'Capture goes on; nothing is lost. The page tries again by itself.' };
    default:
      return { what: `The server failed (${error.status}).`, todo: error.detail || 'Try again; if it stays, look at the log of the service.' };
  }
}
