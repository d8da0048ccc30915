import { expect, it } from 'vitest';
import type { AttackerRow, SessionRow } from '../api/types';
import { nice, ticksOf } from '../parts/Bars';
import { knots } from './Attacker';
import { guestsOf } from './Overview';

const now = Date.parse('2026-11-23T12:00:00Z');
const back = (seconds: number): string => new Date(now - seconds * 1000).toISOString();
const who = (ip: string, seconds: number): AttackerRow => ({ uuid: ip, ip, last_seen: back(seconds), commands: [], deckies: [], services: [], interacted: [] }) as unknown as AttackerRow;
const talk = (ip: string, change: Partial<SessionRow>): SessionRow => ({
  sid: Math.random().toString(), attacker_ip: ip, decky: 'local:a', service: 'ssh', started_at: back(100), ended_at: null, command_count: 0, credential_count: 0, file_count: 0, bytes_in: 0, bytes_out: 0, logged_in: false, recording_truncated: false, ...change,
});

it('tells who is inside from who only knocks', () => {
  const rows = [who('looks', 5), who('tries', 9), who('inside', 60), who('left', 100), who('gone', 400)];
  const talks = [talk('tries', { credential_count: 2 }), talk('inside', { logged_in: true }), talk('left', { logged_in: true, ended_at: back(90) }), talk('gone', { logged_in: true })];
  expect(guestsOf(rows, talks, now).map((g) => [g.row.ip, g.depth])).toEqual([['inside', 'inside'], ['left', 'left'], ['tries', 'trying'], ['looks', 'looking']]);
});

it('folds contacts that said nothing', () => {
  const rows = [talk('x', {}), talk('x', {}), talk('x', { command_count: 1 }), talk('x', {}), talk('x', { bytes_in: 5 })];
  expect(knots(rows).map((k) => (k.kind === 'quiet' ? k.rows.length : k.kind))).toEqual(['day', 2, 'talk', 1, 'talk']);
});

it('draws axes people can read', () => {
  expect([nice(0), nice(7), nice(13), nice(260), nice(999)]).toEqual([4, 10, 20, 500, 1000]);
  const day = Array.from({ length: 48 }, (_, n) => now - (48 - n) * 1_800_000);
  expect(ticksOf(day, 1800).length).toBeLessThanOrEqual(7);
  expect(ticksOf(day, 1800).length).toBeGreaterThan(2);
});
