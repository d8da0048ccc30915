/** A recorded terminal as data: what was printed when, with or without the silence. */

export type CastEvent = { at: number; kind: 'o' | 'r'; data: string };
export type Cast = { cols: number; rows: number; events: CastEvent[]; duration: number; starts: number | null };

// A size of nothing is what clients without a terminal send; programs then take the usual one.
const bound = (value: unknown, least: number, most: number, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.max(least, Math.min(most, Math.round(value))) : otherwise;

/** Reads header and events as the API sends them; anything malformed is left out. */
export function readCast(header: Record<string, unknown>, raw: unknown[]): Cast {
  const events: CastEvent[] = [];
  let last = 0;
  for (const item of raw) {
    if (!Array.isArray(item)) continue;
    const [at, kind, data] = item as unknown[];
    if (typeof at !== 'number' || !Number.isFinite(at) || typeof data !== 'string') continue;
    // Time never runs backwards, whatever the file says.
    last = Math.max(last, at);
    if (kind === 'o' || kind === 'r') events.push({ at: last, kind, data });
  }
  const starts = typeof header['timestamp'] === 'number' ? header['timestamp'] * 1000 : null;
  return { cols: bound(header['width'], 20, 300, 80), rows: bound(header['height'], 5, 120, 24), events, duration: last, starts };
}

/** Maps recorded seconds to seconds of play, with no silence longer than `most`. */
export class Clock {
  private readonly real: number[] = [0];
  private readonly play: number[] = [0];

  constructor(cast: Cast, most: number) {
    let real = 0;
    let play = 0;
    for (const event of cast.events) {
      const gap = event.at - real;
      if (gap <= 0) continue;
      real = event.at;
      play += Math.min(gap, most);
      this.real.push(real);
      this.play.push(play);
    }
  }

  get length(): number {
    return this.play.at(-1) ?? 0;
  }
  toPlay(real: number): number {
    return this.map(real, this.real, this.play);
  }
  toReal(play: number): number {
    return this.map(play, this.play, this.real);
  }

  private map(value: number, from: number[], to: number[]): number {
    const n = before(from, value);
    const a = from[n] ?? 0;
    const b = from[n + 1];
    const x = to[n] ?? 0;
    const y = to[n + 1];
    if (b === undefined || y === undefined) return x;
    // Inside a silence that was cut, time passes at its cut pace.
    return x + ((value - a) / (b - a)) * (y - x);
  }
}

/** Index of the last entry not greater than `value`; `all` grows. */
export function before(all: number[], value: number): number {
  let lo = 0;
  let hi = all.length - 1;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if ((all[mid] ?? 0) <= value) lo = mid;
    else hi = mid - 1;
  }
  return lo;
}

/** `100x40` as columns and rows, within what a screen can show. */
export function readSize(data: string): [number, number] | null {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(data);
  if (match === null) return null;
  return [bound(Number(match[1]), 20, 300, 80), bound(Number(match[2]), 5, 120, 24)];
}

/** `1:04`, `1:02:09` */
export function timecode(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600);
  return h > 0 ? `${h}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}
