/** Plays a recorded terminal. The escape codes are read by a headless terminal; only its cells are drawn, so nothing in a recording can reach the page. */
import { Terminal } from '@xterm/headless';
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { before, Clock, readSize, timecode, type Cast } from '../lib/cast';
import { useKept } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { Button } from './Basics';
import { Pause, Play, RotateCcw, SkipBack, SkipForward } from './icons';

/** Something worth jumping to, in recorded seconds. */
export type Moment = { id: number; at: number; kind: 'command' | 'file' | 'key' | 'url' | 'note'; text: string };

type Run = { text: string; cls: string; fg: string | null; bg: string | null };
type Line = { key: string; runs: Run[] };

const SPEEDS = [0.5, 1, 2, 4, 8];
/** Longest silence that is played, in seconds. */
const IDLE = 1.5;

function color(mode: 'default' | 'palette' | 'rgb', value: number): { cls: string; css: string | null } {
  if (mode === 'default') return { cls: '', css: null };
  if (mode === 'rgb') return { cls: '', css: `#${value.toString(16).padStart(6, '0')}` };
  if (value < 16) return { cls: String(value), css: null };
  if (value < 232) {
    const n = value - 16;
    const part = (x: number): number => (x === 0 ? 0 : 55 + x * 40);
    return { cls: '', css: `rgb(${part(Math.floor(n / 36))} ${part(Math.floor(n / 6) % 6)} ${part(n % 6)})` };
  }
  const grey = 8 + (value - 232) * 10;
  return { cls: '', css: `rgb(${grey} ${grey} ${grey})` };
}

/** The screen as runs of equal looks. */
function draw(term: Terminal): Line[] {
  const buffer = term.buffer.active;
  const lines: Line[] = [];
  const cursorAt = buffer.baseY + buffer.cursorY;
  const cell = buffer.getNullCell();
  for (let y = 0; y < term.rows; y += 1) {
    const line = buffer.getLine(buffer.viewportY + y);
    const runs: Run[] = [];
    let key = '';
    for (let x = 0; line !== undefined && x < term.cols; x += 1) {
      line.getCell(x, cell);
      if (cell.getWidth() === 0) continue;
      const cursor = buffer.viewportY + y === cursorAt && x === buffer.cursorX;
      let fg = color(cell.isFgRGB() ? 'rgb' : cell.isFgPalette() ? 'palette' : 'default', cell.getFgColor());
      let bg = color(cell.isBgRGB() ? 'rgb' : cell.isBgPalette() ? 'palette' : 'default', cell.getBgColor());
      let cls = '';
      if (cell.isInverse()) {
        [fg, bg] = [bg, fg];
        cls += ' inv';
      }
      if (fg.cls !== '') cls += ` f${fg.cls}`;
      if (bg.cls !== '') cls += ` b${bg.cls}`;
      if (cell.isBold()) cls += ' bold';
      if (cell.isDim()) cls += ' dim';
      if (cell.isItalic()) cls += ' ital';
      if (cell.isUnderline()) cls += ' under';
      if (cursor) cls += ' cursor';
      if (cell.getWidth() === 2) cls += ' wide';
      // Characters without a shape of their own would only reorder or hide the rest.
      const text = cell.getChars().replaceAll(/[\p{Cf}\p{Cc}\p{Zl}\p{Zp}]/gu, '') || ' ';
      const last = runs.at(-1);
      if (last !== undefined && last.cls === cls && last.fg === fg.css && last.bg === bg.css && cell.getWidth() === 1) last.text += text;
      else runs.push({ text, cls, fg: fg.css, bg: bg.css });
    }
    while (runs.length > 0) {
      const end = runs.at(-1);
      if (end === undefined || end.cls !== '' || end.bg !== null || end.text.trim() !== '') break;
      runs.pop();
    }
    for (const run of runs) key += `${run.cls}|${run.fg ?? ''}|${run.bg ?? ''}|${run.text}\u0001`;
    lines.push({ key, runs });
  }
  return lines;
}

const ScreenLine = memo(
  function ScreenLine({ line }: { line: Line }): ReactNode {
    return (
      <div className="term-line">
        {line.runs.map((run, n) => (
          <span key={n} className={run.cls.trim() || undefined} style={run.fg === null && run.bg === null ? undefined : { color: run.fg ?? undefined, background: run.bg ?? undefined }}>{run.text}</span>
        ))}
      </div>
    );
  },
  (a, b) => a.line.key === b.line.key,
);

type Props = { cast: Cast; moments: Moment[]; start?: number; onMoment?: (id: number | null) => void; jump?: { at: number; n: number } | null; label: string };

export function Player({ cast, moments, start = 0, onMoment, jump, label }: Props) {
  const [skip, setSkip] = useKept('replay.skip', true);
  const [speed, setSpeed] = useKept('replay.speed', 1);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [lines, setLines] = useState<Line[]>([]);
  const [size, setSize] = useState<[number, number]>([cast.cols, cast.rows]);
  const box = useRef<HTMLDivElement>(null);
  const [font, setFont] = useState(13);
  const clock = useMemo(() => new Clock(cast, skip ? IDLE : Infinity), [cast, skip]);
  const times = useMemo(() => cast.events.map((e) => e.at), [cast]);
  const term = useRef<Terminal | null>(null);
  /** Events already written, and the time of play. */
  const done = useRef(0);
  const now = useRef(0);
  const busy = useRef(false);

  useEffect(() => {
    const made = new Terminal({ cols: cast.cols, rows: cast.rows, scrollback: 0, allowProposedApi: true, convertEol: false, logLevel: 'off' });
    term.current = made;
    done.current = 0;
    return () => {
      made.dispose();
      term.current = null;
    };
  }, [cast]);

  /** Brings the screen to a recorded time; going back starts anew. */
  const show = useCallback((real: number): void => {
    const t = term.current;
    if (t === null || busy.current) return;
    const upTo = cast.events.length === 0 || (times[0] ?? 0) > real ? 0 : before(times, real) + 1;
    if (upTo < done.current) {
      t.reset();
      t.resize(cast.cols, cast.rows);
      done.current = 0;
    }
    if (upTo === done.current) {
      setLines(draw(t));
      return;
    }
    let text = '';
    for (let n = done.current; n < upTo; n += 1) {
      const event = cast.events[n];
      if (event === undefined) break;
      if (event.kind === 'o') text += event.data;
      else {
        const to = readSize(event.data);
        if (to !== null) {
          if (text !== '') t.write(text);
          text = '';
          t.write('', () => t.resize(to[0], to[1]));
        }
      }
    }
    done.current = upTo;
    busy.current = true;
    t.write(text, () => {
      busy.current = false;
      if (term.current !== t) return;
      setSize([t.cols, t.rows]);
      setLines(draw(t));
    });
  }, [cast, times]);

  const seek = useCallback((play: number): void => {
    now.current = Math.max(0, Math.min(clock.length, play));
    setAt(now.current);
    show(clock.toReal(now.current));
  }, [clock, show]);

  useEffect(() => {
    seek(clock.toPlay(start));
    setPlaying(true);
  }, [cast]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => {
    if (jump === null || jump === undefined) return;
    // A little before, so that the line is seen being typed.
    seek(Math.max(0, clock.toPlay(jump.at) - 0.6));
    setPlaying(true);
  }, [jump]); // eslint-disable-line react-hooks/exhaustive-deps
  const before_ = useRef(clock);
  useEffect(() => {
    if (before_.current !== clock) seek(clock.toPlay(before_.current.toReal(now.current)));
    before_.current = clock;
  }, [clock, seek]);

  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    let last = performance.now();
    const step = (time: number): void => {
      const next = now.current + (Math.min(250, time - last) / 1000) * speed;
      last = time;
      if (next >= clock.length) {
        seek(clock.length);
        setPlaying(false);
        return;
      }
      now.current = next;
      setAt(next);
      const real = clock.toReal(next);
      if (cast.events.length > 0 && (times[done.current] ?? Infinity) <= real) show(real);
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, clock, seek, show, cast, times]);

  // The newest moment that has passed.
  const real = clock.toReal(at);
  const passed = moments.filter((m) => m.at <= real + 0.05).at(-1) ?? null;
  useEffect(() => onMoment?.(passed?.id ?? null), [passed?.id, onMoment]);
  const caption = passed !== null && passed.kind !== 'command' && real - passed.at < 6 ? passed : null;

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const fit = (): void => setFont(Math.max(8.5, Math.min(14.5, (element.clientWidth - 32) / (size[0] * 0.6005))));
    const watch = new ResizeObserver(fit);
    watch.observe(element);
    fit();
    return () => watch.disconnect();
  }, [size]);

  const toggle = useCallback(() => {
    if (now.current >= clock.length - 0.01) seek(0);
    setPlaying((p) => !p);
  }, [clock, seek]);
  const commands = useMemo(() => moments.filter((m) => m.kind === 'command').map((m) => clock.toPlay(m.at)), [moments, clock]);
  const toCommand = useCallback((step: -1 | 1) => {
    const to = step > 0 ? commands.find((c) => c > now.current + 0.7) : commands.filter((c) => c < now.current - 1.2).at(-1);
    if (to !== undefined) seek(Math.max(0, to - 0.6));
    else if (step < 0) seek(0);
  }, [commands, seek]);
  useKey(' ', toggle);
  useKey('ArrowLeft', useCallback(() => seek(now.current - 5), [seek]));
  useKey('ArrowRight', useCallback(() => seek(now.current + 5), [seek]));
  useKey('[', useCallback(() => toCommand(-1), [toCommand]));
  useKey(']', useCallback(() => toCommand(1), [toCommand]));
  const faster = useCallback((by: number) => setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + by))] ?? 1), [speed, setSpeed]);
  useKey('>', useCallback(() => faster(1), [faster]));
  useKey('<', useCallback(() => faster(-1), [faster]));

  return (
    <div className="player">
      <div ref={box} className="term-box" tabIndex={0} role="group" aria-label={label}>
        <div className="term" style={{ fontSize: font, height: size[1] * font * 1.32 + 28 }} onClick={toggle}>
          {lines.map((line, n) => <ScreenLine key={n} line={line} />)}
        </div>
        {!playing && at < 0.05 && <button type="button" className="term-start" aria-label="Play" onClick={toggle}><Play size={30} aria-hidden /></button>}
        {caption !== null && <div className="term-caption" role="status"><b>{{ file: 'File kept', key: 'Login', url: 'Address named', note: 'Seen', command: '' }[caption.kind]}</b> <span className="captured clip">{caption.text.slice(0, 120)}</span></div>}
      </div>
      <div className="term-bar">
        <Button look="plain" square aria-label={playing ? 'Pause' : 'Play'} onClick={toggle}>{playing ? <Pause size={16} aria-hidden /> : at >= clock.length - 0.01 ? <RotateCcw size={16} aria-hidden /> : <Play size={16} aria-hidden />}</Button>
        <Button look="plain" square aria-label="Command before" onClick={() => toCommand(-1)} disabled={commands.length === 0}><SkipBack size={15} aria-hidden /></Button>
        <Button look="plain" square aria-label="Next command" onClick={() => toCommand(1)} disabled={commands.length === 0}><SkipForward size={15} aria-hidden /></Button>
        <div className="term-track">
          <input
            type="range" min={0} max={Math.max(0.01, clock.length)} step={0.05} value={at} aria-label="Position" aria-valuetext={`${timecode(real)} of ${timecode(cast.duration)}`}
            onChange={(e) => seek(Number(e.target.value))}
          />
          {moments.slice(0, 400).map((m) => <span key={m.id} className={`term-mark ${m.kind}`} aria-hidden style={{ left: `${(clock.toPlay(m.at) / Math.max(0.01, clock.length)) * 100}%` }} />)}
        </div>
        <span className="small mono muted">{timecode(real)} / {timecode(cast.duration)}</span>
        <select className="input" aria-label="Speed" value={speed} onChange={(e) => setSpeed(Number(e.target.value))}>
          {SPEEDS.map((s) => <option key={s} value={s}>{s}×</option>)}
        </select>
        <label className="row small"><input className="tick" type="checkbox" checked={skip} onChange={(e) => setSkip(e.target.checked)} /> Skip silence</label>
      </div>
    </div>
  );
}
