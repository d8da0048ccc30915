import { describe, expect, it } from 'vitest';
import { cut, pieces, plain } from './text';

describe('what attackers wrote', () => {
  it('names every character that hides, reorders or fakes', () => {
    for (const [text, shown] of [
      ['ls -la', 'ls -la'],
      ['a\u0000b', 'a‹NUL›b'],
      ['\u001b[31mred', '‹ESC›[31mred'],
      ['one\r\ntwo\tthree', 'one‹CR›‹LF›two‹TAB›three'],
      ['\u202Egpj.exe', '‹RLO›gpj.exe'],
      ['\u2066x\u2069', '‹LRI›x‹PDI›'],
      ['zero\u200bwidth\ufeff', 'zero‹ZWSP›width‹BOM›'],
      ['nb\u00a0sp', 'nb‹NBSP›sp'],
      ['\u{e0041}tag', '‹ue0041›tag'],
      ['\u0085\u0090', '‹NEL›‹x90›'],
      ['a\u0301b', 'a\u0301b'],
      [`z${'\u0301'.repeat(30)}`, 'z‹+30 marks›'],
      ['<script>', '<script>'],
      ['\ud800', '‹ud800›'],
      ['пароль 密码 🙂', 'пароль 密码 🙂'],
    ] as const) expect(plain(text), JSON.stringify(text)).toBe(shown);
  });

  it('loses nothing that is shown', () => {
    const text = 'x\u0001y\u202ez';
    expect(pieces(text).filter((p) => p.shown).map((p) => p.text).join('')).toBe('xyz');
  });

  it('cuts between characters', () => {
    expect(cut('ab🙂c', 3)).toEqual(['ab', 3]);
    expect(cut('abc', 3)).toEqual(['abc', 0]);
  });
});
