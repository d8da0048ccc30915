/** Who is joined to whom and why: a ring of members, a line for each reason. */
import { useMemo, useRef, useState } from 'react';
import { Button } from './Basics';

export type Dot = { id: string; label: string; note?: string | undefined };
export type Line = { a: string; b: string; why: string; weight: number; said?: boolean | undefined };

const W = 640;

export function Graph({ dots, lines, label, chosen, choose }: { dots: Dot[]; lines: Line[]; label: string; chosen: Line | null; choose: (line: Line | null) => void }) {
  const svg = useRef<SVGSVGElement>(null);
  const [over, setOver] = useState<string | null>(null);
  const shown = dots.slice(0, 60);
  const height = shown.length > 12 ? 480 : 340;
  const places = useMemo(() => {
    const map = new Map<string, { x: number; y: number; right: boolean }>();
    shown.forEach((dot, i) => {
      const angle = (i / Math.max(1, shown.length)) * Math.PI * 2 - Math.PI / 2;
      const alone = shown.length === 1;
      map.set(dot.id, { x: W / 2 + (alone ? 0 : Math.cos(angle) * W * 0.28), y: height / 2 + (alone ? 0 : Math.sin(angle) * height * 0.38), right: Math.cos(angle) >= -0.01 });
    });
    return map;
  }, [shown, height]);
  const kept = lines.filter((l) => places.has(l.a) && places.has(l.b));
  return (
    <figure className="mind-graph">
      <svg ref={svg} viewBox={`0 0 ${W} ${height}`} role="img" aria-label={label} xmlns="http://www.w3.org/2000/svg">
        {kept.map((line) => {
          const a = places.get(line.a)!;
          const b = places.get(line.b)!;
          const on = chosen?.a === line.a && chosen.b === line.b;
          const x = (a.x + b.x) / 2 + (W / 2 - (a.x + b.x) / 2) * 0.35;
          const y = (a.y + b.y) / 2 + (height / 2 - (a.y + b.y) / 2) * 0.35;
          return (
            <g key={`${line.a} ${line.b}`} className={`link ${on ? 'on' : ''} ${line.said === false ? 'denied' : ''}`} onClick={() => choose(on ? null : line)} tabIndex={0} role="button" aria-label={`${line.why}, weight ${line.weight.toFixed(2)}`} onKeyDown={(e) => { if (e.key === 'Enter') choose(on ? null : line); }}>
              <path className="hit" d={`M${a.x} ${a.y}Q${x} ${y} ${b.x} ${b.y}`} />
              <path className="line" d={`M${a.x} ${a.y}Q${x} ${y} ${b.x} ${b.y}`} strokeWidth={Math.max(1, Math.min(4, line.weight * 2))} />
              {(kept.length <= 14 || on) && <text x={(a.x + 2 * x + b.x) / 4} y={(a.y + 2 * y + b.y) / 4 - 4} textAnchor="middle">{line.why}</text>}
            </g>
          );
        })}
        {shown.map((dot) => {
          const p = places.get(dot.id)!;
          return (
            <g key={dot.id} className={over === dot.id ? 'dot on' : 'dot'} onMouseEnter={() => setOver(dot.id)} onMouseLeave={() => setOver(null)}>
              <circle cx={p.x} cy={p.y} r={7} />
              <text x={p.x + (p.right ? 13 : -13)} y={p.y - 1} textAnchor={p.right ? 'start' : 'end'} className="name">{dot.label}</text>
              {dot.note !== undefined && shown.length <= 24 && <text x={p.x + (p.right ? 13 : -13)} y={p.y + 13} textAnchor={p.right ? 'start' : 'end'} className="note">{dot.note}</text>}
            </g>
          );
        })}
      </svg>
      <figcaption className="row spread tiny muted">
        <span>{dots.length > shown.length ? `${shown.length} of ${dots.length} shown. ` : ''}A line is why two are one; choose it for more.</span>
        <Button look="plain" onClick={() => saveSvg(svg.current, label)}>Save picture</Button>
      </figcaption>
    </figure>
  );
}

/** Writes a picture into a file, with the colours it has on the page. */
export function saveSvg(element: SVGSVGElement | null, name: string): void {
  if (element === null) return;
  const copy = element.cloneNode(true) as SVGSVGElement;
  const from = element.querySelectorAll('*');
  copy.querySelectorAll('*').forEach((node, i) => {
    const style = getComputedStyle(from[i]!);
    for (const key of ['fill', 'stroke', 'stroke-width', 'font-size', 'font-family', 'opacity', 'stroke-dasharray']) (node as SVGElement).style.setProperty(key, style.getPropertyValue(key));
  });
  copy.style.background = getComputedStyle(document.body).backgroundColor;
  const url = URL.createObjectURL(new Blob([copy.outerHTML], { type: 'image/svg+xml' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
