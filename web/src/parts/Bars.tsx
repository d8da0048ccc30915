/** Events over time. Click or drag to narrow; arrows and Enter do the same. */
import { useId, useMemo, useRef, useState, type PointerEvent } from 'react';
import type { Histogram } from '../api/types';
import { count, full, many, short } from '../lib/format';

type Props = { data: Histogram | undefined; height?: number; pick?: (from: string, to: string) => void; label: string };

const AXIS = 18;
/** Room for the greatest value at the right. */
const SIDE = 38;

/** A readable greatest value: 1, 2 or 5 times a power of ten. */
export function nice(n: number): number {
  if (n <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 2.5, 5, 10].find((m) => m * power >= n) ?? 10) * power;
}

function tickText(time: number, span: number): string {
  const date = new Date(time);
  if (span > 3.5 * 86_400) return date.toLocaleDateString('en-GB', { day: '2-digit', month: 'short' });
  const hm = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return hm === '00:00' ? date.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric' }) : hm;
}

const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000];

/** Bars that begin at a round time of the viewer's clock, at most seven of them. */
export function ticksOf(times: number[], width: number): number[] {
  const span = times.length * width;
  const step = STEPS.find((s) => s >= width && span / s <= 7) ?? 7_776_000;
  const out: number[] = [];
  times.forEach((time, i) => {
    const local = time / 1000 - new Date(time).getTimezoneOffset() * 60;
    const here = Math.floor(local / step);
    const before = Math.floor((local - width) / step);
    if (here !== before && i > times.length * 0.015 && i < times.length * 0.975) out.push(i);
  });
  return out;
}

export function Bars({ data, height = 96, pick, label }: Props) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [from, setFrom] = useState<number | null>(null);
  const bars = useMemo(() => data?.data ?? [], [data]);
  const n = bars.length;
  const top = useMemo(() => nice(Math.max(0, ...bars.map((b) => b.count))), [bars]);
  const total = useMemo(() => bars.reduce((sum, b) => sum + b.count, 0), [bars]);
  const seconds = data?.bucket_seconds ?? 60;
  if (n === 0) return <div className="bars" style={{ height: height + AXIS }} aria-hidden />;

  const where = (e: PointerEvent): number => {
    const rect = box.current?.getBoundingClientRect();
    if (rect === undefined || rect.width <= SIDE) return 0;
    return Math.max(0, Math.min(n - 1, Math.floor(((e.clientX - rect.left) / (rect.width - SIDE)) * n)));
  };
  const choose = (a: number, b: number): void => {
    const first = bars[Math.min(a, b)];
    const last = bars[Math.max(a, b)];
    if (first === undefined || last === undefined) return;
    pick?.(new Date(Date.parse(first.time)).toISOString(), new Date(Date.parse(last.time) + seconds * 1000).toISOString());
  };
  const bar = at === null ? undefined : bars[at];
  const lo = from === null || at === null ? -1 : Math.min(from, at);
  const hi = from === null || at === null ? -1 : Math.max(from, at);
  const W = 1000;
  const step = W / n;
  const ticks = ticksOf(bars.map((b) => Date.parse(b.time)), seconds);
  const tip = bar === undefined || at === null ? '' : from !== null && from !== at
    ? `${many(bars.slice(lo, hi + 1).reduce((s, b) => s + b.count, 0), 'event')} in ${hi - lo + 1} intervals`
    : `${many(bar.count, 'event')} · ${full(bar.time).replace(/:\d\d [^ ]+$/, '')}`;

  return (
    <div
      ref={box} className="bars" style={{ height: height + AXIS, paddingRight: SIDE, cursor: pick === undefined ? undefined : 'crosshair', touchAction: 'pan-y' }}
      {...(pick === undefined ? { role: 'img', 'aria-label': `${label}: ${many(total, 'event')}` } : {
        role: 'slider', tabIndex: 0, 'aria-label': `${label}. Arrows move, Enter narrows to an interval, Shift with arrows widens`, 'aria-valuemin': 0, 'aria-valuemax': n - 1,
        'aria-valuenow': at ?? n - 1, 'aria-valuetext': tip === '' ? many(total, 'event') : tip,
      })}
      onPointerMove={(e) => setAt(where(e))}
      onPointerLeave={() => { if (from === null) setAt(null); }}
      onPointerDown={(e) => {
        if (pick === undefined || e.button !== 0) return;
        e.currentTarget.setPointerCapture(e.pointerId);
        setFrom(where(e));
        setAt(where(e));
      }}
      onPointerUp={(e) => {
        if (from !== null) choose(from, where(e));
        setFrom(null);
      }}
      onPointerCancel={() => setFrom(null)}
      onBlur={() => { setAt(null); setFrom(null); }}
      onKeyDown={(e) => {
        if (pick === undefined) return;
        const now = at ?? n - 1;
        if (e.key === 'ArrowLeft' || e.key === 'ArrowRight') {
          e.preventDefault();
          if (e.shiftKey && from === null) setFrom(now);
          if (!e.shiftKey) setFrom(null);
          setAt(at === null ? now : Math.max(0, Math.min(n - 1, now + (e.key === 'ArrowLeft' ? -1 : 1))));
        } else if (e.key === 'Enter') {
          e.preventDefault();
          choose(from ?? now, now);
          setFrom(null);
        } else if (e.key === 'Escape') {
          setAt(null);
          setFrom(null);
        }
      }}
    >
      <div style={{ position: 'relative' }}>
      {bar !== undefined && at !== null && <div className="tip" style={{ left: `clamp(90px, ${((at + 0.5) / n) * 100}%, calc(100% - 90px))` }}>{tip}</div>}
      <svg viewBox={`0 0 ${W} ${height}`} height={height} preserveAspectRatio="none" aria-hidden>
        <line x1={0} x2={W} y1={height - 0.5} y2={height - 0.5} vectorEffect="non-scaling-stroke" />
        <line x1={0} x2={W} y1={0.5} y2={0.5} strokeDasharray="2 5" vectorEffect="non-scaling-stroke" />
        {lo >= 0 && <rect className="sel" x={lo * step} width={(hi - lo + 1) * step} y={0} height={height} />}
        {bars.map((b, i) => b.count > 0 && (
          <rect key={`${id}${i}`} className={`bar ${i === at ? 'at' : ''} ${i >= lo && i <= hi && lo >= 0 ? 'in' : ''}`} x={i * step + step * 0.11} width={step * 0.78} y={height - Math.max(2, (b.count / top) * (height - 2))} height={Math.max(2, (b.count / top) * (height - 2))} />
        ))}
      </svg>
      <span className="tiny faint" style={{ position: 'absolute', left: 'calc(100% + 7px)', top: -8 }} aria-hidden>{short(top)}</span>
      <div style={{ position: 'relative', height: AXIS }} aria-hidden>
        {ticks.map((i) => (
          <span key={i} className="tiny faint" style={{ position: 'absolute', top: 2, left: `${(i / n) * 100}%`, translate: '-50% 0', whiteSpace: 'nowrap' }}>
            {tickText(Date.parse(bars[i]?.time ?? ''), n * seconds)}
          </span>
        ))}
      </div>
      </div>
      <span className="sr">{count(total)} events</span>
    </div>
  );
}
