/** What kinds of events there are, in words and with one icon each. */
import type { LogRow } from '../api/types';

export type Weight = 'quiet' | 'plain' | 'act' | 'inside';
export type Kind = { icon: string; word: string; weight: Weight };

const KINDS: Record<string, Kind> = {
  connect: { icon: 'contact', word: 'Contact', weight: 'quiet' },
  disconnect: { icon: 'end', word: 'Left', weight: 'quiet' },
  tls_client_hello: { icon: 'print', word: 'TLS hello', weight: 'quiet' },
  ssh_client: { icon: 'print', word: 'SSH client', weight: 'quiet' },
  auth_attempt: { icon: 'key', word: 'Login try', weight: 'plain' },
  command: { icon: 'command', word: 'Command', weight: 'act' },
  request: { icon: 'request', word: 'Request', weight: 'plain' },
  file_captured: { icon: 'file', word: 'File', weight: 'act' },
  url_seen: { icon: 'url', word: 'URL', weight: 'act' },
  session_recorded: { icon: 'replay', word: 'Recording', weight: 'plain' },
  message_stored: { icon: 'mail', word: 'Mail', weight: 'act' },
};

export function kindOf(eventType: string, outcome?: unknown): Kind {
  if (eventType === 'auth_attempt' && outcome === 'success') return { icon: 'open', word: 'Logged in', weight: 'inside' };
  return KINDS[eventType] ?? { icon: 'note', word: eventType.replaceAll('_', ' ') || 'Event', weight: 'quiet' };
}

export function kindOfRow(row: Pick<LogRow, 'event_type' | 'fields'>): Kind {
  return kindOf(row.event_type, row.fields['outcome']);
}

/** Ways to offer a secret. */
export const SECRET_KINDS: Record<string, string> = {
  plaintext: 'password', http_bearer: 'bearer token', http_digest_md5: 'HTTP digest', mysql_native_password: 'MySQL native response', caching_sha2_password: 'MySQL SHA-2 response', ssh_publickey: 'SSH public key',
};

export const WHY: Record<string, string> = {
  visitor: 'the visitor closed it', done: 'it was over', idle: 'silence', limit: 'a limit was reached', broken: 'the connection broke',
  stopped: 'the decky was stopped',
};
