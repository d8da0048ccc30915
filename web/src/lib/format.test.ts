import { expect, it } from 'vitest';
import { ago, count, deckyName, duration, many, short, size } from './format';
import { csv, csvCell } from './save';

it('speaks in human units', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');
  expect([ago('2026-11-23T11:59:59.5Z', now), ago('2026-11-23T11:57:00Z', now), ago('2026-11-22T11:00:00Z', now), ago(null, now), ago('2026-11-23T12:00:05Z', now)]).toEqual(['just now', '3 min ago', '1 d ago', 'never', 'just now']);
  expect([duration(400), duration(820_000), duration(4_210_000), duration(192_000_000), duration(7_500_000_000), duration(null)]).toEqual(['0.4 ms', '820 ms', '4.2 s', '3 min 12 s', '2 h 5 min', '–']);
  expect([size(812), size(14_230), size(3_100_000), size(999_999)]).toEqual(['812 B', '14.2 kB', '3.1 MB', '1.0 MB']);
  expect([short(999), short(12_480), short(3_100_000), count(1_234_567), many(1, 'file'), many(2, 'decky', 'deckies')]).toEqual(['999', '12.5k', '3.1M', '1,234,567', '1 file', '2 deckies']);
  expect([deckyName('local:web-01'), deckyName('web-01')]).toEqual(['web-01', 'web-01']);
});

it('saves what no spreadsheet would run', () => {
  for (const [cell, saved] of [['=1+1', "'=1+1"], ['+x', "'+x"], ['-x', "'-x"], ['@x', "'@x"], ['  =x', "'  =x"], ['\tx', "'\tx"], ['a,b', '"a,b"'], ['a"b', '"a""b"'], ['a\nb', '"a\nb"'], ['plain', 'plain'], [-5, '-5'], [null, '']] as const) expect(csvCell(cell)).toBe(saved);
  expect(csv(['a', 'b'], [['=x', 1]])).toBe("a,b\r\n'=x,1\r\n");
});
