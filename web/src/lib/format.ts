/** Times, durations, sizes and counts in human units. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `just now`, `42 s ago`, `3 min ago`, `5 h ago`, `yesterday`, `12 d ago`. */
export function ago(iso: string | null | undefined, now: number): string {
  if (!iso) return 'never';
  const ms = now - Date.parse(iso);
  if (Number.isNaN(ms)) return 'unknown';
  if (ms < 2 * SECOND) return 'just now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  if (ms < 400 * DAY) return `${Math.floor(ms / DAY)} d ago`;
  return `${(ms / (365.25 * DAY)).toFixed(1)} y ago`;
}

/** Microseconds as `0.4 ms`, `820 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(us: number | null | undefined): string {
  if (us === null || us === undefined) return '–';
  const ms = us / 1000;
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / SECOND)} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

/** Bytes as `812 B`, `14.2 kB`, `3.1 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = '';
  for (const next of units) {
    value /= 1000;
    unit = next;
    if (value < 999.95) break;
  }
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

const WHOLE = new Intl.NumberFormat('en', { useGrouping: true });

/** `12,480` */
export function count(n: number): string {
  return WHOLE.format(n);
}

/** `1 command`, `3 commands` */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : more}`;
}

/** `480`, `12.5k`, `3.1M` */
export function short(n: number): string {
  if (n < 10_000) return count(n);
  if (n < 999_500) return `${(n / 1000).toFixed(n < 100_000 ? 1 : 0)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DATE = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' });
const FULL = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
});

/** `14:03:22.118` in the viewer's zone. */
export function clock(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return `${CLOCK.format(date)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** `14:03:22` or `21 Nov 14:03:22` if it was not today. */
export function moment(iso: string, now: number): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const same = new Date(now).toDateString() === date.toDateString();
  return same ? CLOCK.format(date) : `${DATE.format(date)} ${CLOCK.format(date).slice(0, 5)}`;
}

/** `21 Nov 2026, 14:03:22 CET` */
export function full(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : FULL.format(date);
}

/** `Sat 21 Nov` */
export function day(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime())
    ? iso
    : new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: '2-digit', month: 'short' }).format(date);
}

/** `2026-11-21 13:03:22.118204 UTC` */
export function utc(iso: string): string {
  return iso.replace('T', ' ').replace(/(?:Z|\+00:00)$/, ' UTC');
}

/** `local:web-01` without its host part. */
export function deckyName(decky: string): string {
  const at = decky.indexOf(':');
  return at < 0 ? decky : decky.slice(at + 1);
}
