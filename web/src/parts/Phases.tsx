/** What somebody did when, along the kill chain: a row for each phase, a bar for each spell. */
import { useRef } from 'react';
import { day, utc } from '../lib/format';
import { Button, Empty } from './Basics';
import { saveSvg } from './Graph';

export type Spell = { phase: string; from: number; to: number; who: string; decky: string };

/** All phases in their order, with the stage each belongs to. */
const PHASES: [string, string][] = [
  ['delivery', 'in'], ['exploitation', 'in'], ['persistence', 'in'], ['defense_evasion', 'in'], ['command_and_control', 'in'],
  ['pivoting', 'through'], ['discovery', 'through'], ['privilege_escalation', 'through'], ['execution', 'through'], ['credential_access', 'through'], ['lateral_movement', 'through'],
  ['collection', 'out'], ['exfiltration', 'out'], ['impact', 'out'], ['objectives', 'out'],
];
const W = 900;
const LEFT = 168;
const ROW = 24;

export function Phases({ spells, label }: { spells: Spell[]; label: string }) {
  const svg = useRef<SVGSVGElement>(null);
  if (spells.length === 0) return <Empty slim title="No phase was recognised." />;
  const from = Math.min(...spells.map((s) => s.from));
  const to = Math.max(...spells.map((s) => s.to), from + 60_000);
  const rows = PHASES.filter(([name]) => spells.some((s) => s.phase === name));
  const who = [...new Set(spells.map((s) => s.who))];
  const x = (at: number) => LEFT + ((at - from) / (to - from)) * (W - LEFT - 16);
  const height = rows.length * ROW + 34;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((f) => from + (to - from) * f);
  return (
    <figure className="mind-phases">
      <div className="scroll-x">
        <svg ref={svg} viewBox={`0 0 ${W} ${height}`} role="img" aria-label={label} xmlns="http://www.w3.org/2000/svg">
          {ticks.map((at) => (
            <g key={at} className="tick">
              <line x1={x(at)} x2={x(at)} y1={4} y2={height - 22} />
              <text x={x(at)} y={height - 6} textAnchor={at === from ? 'start' : at === to ? 'end' : 'middle'}>{to - from > 172_800_000 ? day(new Date(at).toISOString()) : new Date(at).toISOString().slice(5, 16).replace('T', ' ')}</text>
            </g>
          ))}
          {rows.map(([name, stage], i) => (
            <g key={name} className={`phase ${stage}`}>
              <text x={LEFT - 10} y={i * ROW + 20} textAnchor="end">{name.replaceAll('_', ' ')}</text>
              <line className="base" x1={LEFT} x2={W - 16} y1={i * ROW + 16} y2={i * ROW + 16} />
              {spells.filter((s) => s.phase === name).map((s, n) => (
                <rect key={n} x={x(s.from) - 3} y={i * ROW + 8} width={Math.max(6, x(s.to) - x(s.from) + 6)} height={16} rx={4} className={`who w${who.indexOf(s.who) % 6}`}>
                  <title>{`${s.who} on ${s.decky}, ${utc(new Date(s.from).toISOString())}`}</title>
                </rect>
              ))}
            </g>
          ))}
        </svg>
      </div>
      <figcaption className="row spread tiny muted wrap">
        <span className="row wrap">{who.slice(0, 12).map((name, i) => <span key={name} className="row"><i className={`swatch w${i % 6}`} aria-hidden /> <span className="mono">{name}</span></span>)}</span>
        <Button look="plain" onClick={() => saveSvg(svg.current, label)}>Save picture</Button>
      </figcaption>
    </figure>
  );
}
