/** The list of the page: virtual rows over server-side pages, chosen columns, the keyboard, selection, export. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useKept, usePhone } from '../lib/hooks';
import type { Paged } from '../lib/paged';
import { count, many } from '../lib/format';
import { csv, save, stamp, type Cell } from '../lib/save';
import { useLooks } from '../lib/theme';
import { Button, Failed, Menu } from './Basics';
import { ArrowDown, Columns3, Download } from './icons';
import { say, sayFailed } from './toast';

export type Column<T> = {
  id: string;
  head: string;
  /** A grid track: `110px`, `minmax(140px, 2fr)`. */
  width: string;
  cell: (row: T) => ReactNode;
  num?: boolean;
  /** Hidden until chosen. */
  extra?: boolean;
  /** What the server calls this order. */
  sort?: string;
  /** The value in an exported file. */
  value?: (row: T) => Cell;
};

type Props<T> = {
  name: string;
  label: string;
  rows: Paged<T>;
  columns: Column<T>[];
  keyOf: (row: T) => string;
  open: (row: T) => void;
  chosen?: string | null;
  card: (row: T) => ReactNode;
  empty: ReactNode;
  sort?: { by: string; set: (by: string) => void };
  /** What the export is called; absent: none. */
  exportAs?: string;
  noun: [string, string];
  footer?: ReactNode;
  above?: ReactNode;
  /** Rows in front of the server's, newest first. */
  fresh?: (row: T) => boolean;
  scrolled?: (top: boolean) => void;
  selectable?: boolean;
  /** Of a row on a phone, in pixels. */
  cardHeight?: number;
  /** Replaces the entries of the export menu. */
  exportMenu?: (close: () => void, picked: T[]) => ReactNode;
};

export function Table<T>(p: Props<T>) {
  const phone = usePhone();
  const { density } = useLooks();
  const [hidden, setHidden] = useKept<Record<string, boolean>>(`columns.${p.name}`, {});
  const columns = p.columns.filter((c) => !(hidden[c.id] ?? c.extra ?? false));
  const height = phone ? (p.cardHeight ?? 68) : density === 'roomy' ? 42 : 34;
  const scroll = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(-1);
  const [picked, setPicked] = useState<ReadonlyMap<string, T>>(new Map());
  const tickable = p.selectable !== false && !phone;

  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({ count: p.rows.count, getScrollElement: () => scroll.current, estimateSize: () => height, overscan: 12, getItemKey: (n) => n });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  const { see } = p.rows;
  useEffect(() => see(first, last), [see, first, last]);
  useEffect(() => virtual.measure(), [virtual, height]);

  const pick = useCallback((row: T) => {
    const key = p.keyOf(row);
    setPicked((old) => {
      const next = new Map(old);
      if (!next.delete(key)) next.set(key, row);
      return next;
    });
  }, [p]);

  const move = (to: number): void => {
    const next = Math.max(0, Math.min(p.rows.count - 1, to));
    setActive(next);
    virtual.scrollToIndex(next);
    // With a drawer open, the arrows walk through what it shows.
    const row = p.rows.at(next);
    if (p.chosen !== undefined && p.chosen !== null && row !== undefined) p.open(row);
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    if (e.target !== scroll.current) return;
    const screen = Math.max(1, Math.floor((scroll.current?.clientHeight ?? height) / height) - 2);
    const at = active < 0 ? first : active;
    const steps: Record<string, number> = { ArrowDown: active < 0 ? at : at + 1, j: active < 0 ? at : at + 1, ArrowUp: at - 1, k: at - 1, PageDown: at + screen, PageUp: at - screen, Home: 0, End: p.rows.count - 1 };
    const to = steps[e.key];
    const row = p.rows.at(at);
    if (to !== undefined && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      move(to);
    } else if (e.key === 'Enter' && row !== undefined) {
      e.preventDefault();
      p.open(row);
    } else if ((e.key === ' ' || e.key === 'x') && row !== undefined && tickable) {
      e.preventDefault();
      pick(row);
    }
  };

  const least = columns.reduce((sum, c) => sum + Number(/(\d+)px/.exec(c.width)?.[1] ?? 80) + 14, tickable ? 60 : 28);
  const tracks = `${tickable ? '18px ' : ''}${columns.map((c) => c.width).join(' ')}`;
  const shown = !p.rows.loading && p.rows.count === 0 && p.rows.error === null;
  const exporting = p.exportAs === undefined ? null : (kind: 'csv' | 'json'): void => void exportRows(p, kind, [...picked.values()]);

  return (
    <div className="table edge">
      {p.above}
      <div
        className="scroll" ref={scroll} tabIndex={0} role={phone ? 'list' : 'grid'} aria-label={p.label} onKeyDown={onKeyDown}
        {...(phone ? {} : { 'aria-rowcount': p.rows.count + 1, 'aria-colcount': columns.length + (tickable ? 1 : 0), 'aria-multiselectable': tickable })}
        aria-activedescendant={active >= first && active <= last ? `${p.name}-${active}` : undefined}
        onScroll={() => p.scrolled?.((scroll.current?.scrollTop ?? 0) < height)}
      >
        {!phone && (
          <div className="head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: tracks, minWidth: least }}>
            {tickable && <span role="columnheader"><span className="sr">Chosen</span></span>}
            {columns.map((c) => (
              <span key={c.id} role="columnheader" className={c.num ? 'cell num' : 'cell'} aria-sort={c.sort !== undefined && p.sort?.by === c.sort ? 'descending' : undefined}>
                {c.sort !== undefined && p.sort !== undefined ? (
                  <button type="button" tabIndex={-1} onClick={() => c.sort !== undefined && p.sort?.set(c.sort)} title={`Sort by ${c.head.toLowerCase()}, greatest first`}>
                    {c.head}
                    {p.sort.by === c.sort && <ArrowDown size={12} aria-hidden />}
                  </button>
                ) : c.head}
              </span>
            ))}
          </div>
        )}
        {p.rows.error !== null && p.rows.count === 0 && <div style={{ padding: 16 }}><Failed error={p.rows.error} retry={p.rows.again} /></div>}
        {shown && p.empty}
        <div className="lines" role={phone ? 'presentation' : 'rowgroup'} style={{ height: p.rows.loading ? 12 * height : virtual.getTotalSize(), minWidth: phone ? undefined : least }}>
          {p.rows.loading && Array.from({ length: 12 }, (_, n) => (
            <div key={`g${n}`} className="line" role="presentation" aria-hidden style={{ gridTemplateColumns: phone ? '1fr' : tracks, height, transform: `translateY(${n * height}px)` }}>
              {(phone ? [0] : columns).map((_c, m) => <span key={m} className="ghost" style={{ width: `${45 + ((n * 7 + m * 13) % 45)}%` }} />)}
            </div>
          ))}
          {!p.rows.loading && items.map((item) => {
            const row = p.rows.at(item.index);
            const isActive = item.index === active || (row !== undefined && p.chosen === p.keyOf(row));
            return (
              <div
                key={item.key} id={`${p.name}-${item.index}`} className={`line ${isActive ? 'active' : ''} ${row !== undefined && p.fresh?.(row) === true ? 'fresh' : ''}`} role={phone ? 'listitem' : 'row'}
                {...(phone ? {} : { 'aria-rowindex': item.index + 2, 'aria-selected': row !== undefined && picked.has(p.keyOf(row)) })}
                style={{ gridTemplateColumns: phone ? 'minmax(0, 1fr)' : tracks, height, transform: `translateY(${item.start}px)`, ...(phone ? { width: '100%', padding: 0 } : {}) }}
                onClick={() => {
                  if (row === undefined || String(getSelection()) !== '') return;
                  setActive(item.index);
                  p.open(row);
                }}
              >
                {row === undefined ? (phone ? <div className="card"><span className="ghost" /></div> : columns.map((c, m) => <span key={c.id} role="gridcell" className="cell"><span className="ghost" style={{ width: `${50 + ((item.index + m * 17) % 40)}%` }} /></span>))
                  : phone ? <div className="card">{p.card(row)}</div> : (
                    <>
                      {tickable && (
                        <span role="gridcell" onClick={(e) => e.stopPropagation()}>
                          <input className="tick" type="checkbox" tabIndex={-1} aria-label="Choose this row" checked={picked.has(p.keyOf(row))} onChange={() => pick(row)} />
                        </span>
                      )}
                      {columns.map((c) => <span key={c.id} role="gridcell" className={c.num ? 'cell num' : 'cell'}>{c.cell(row)}</span>)}
                    </>
                  )}
              </div>
            );
          })}
        </div>
      </div>
      <div className="foot">
        <span>{p.rows.loading ? 'Loading…' : many(p.rows.total, p.noun[0], p.noun[1])}{p.rows.total > p.rows.count && !p.rows.loading && `; the first ${count(p.rows.count)} can be scrolled to, narrow the question for the rest`}</span>
        {picked.size > 0 && (
          <span className="row">
            <b>{count(picked.size)} chosen</b>
            <Button look="plain" onClick={() => setPicked(new Map())}>Clear</Button>
          </span>
        )}
        {p.footer}
        <span className="row" style={{ marginLeft: 'auto' }}>
          {exporting !== null && (
            <Menu name={picked.size > 0 ? `Export the ${picked.size} chosen` : 'Export this list'} look="plain" label={<><Download size={14} aria-hidden /> {picked.size > 0 ? 'Export chosen' : 'Export'}</>}>
              {(close) => p.exportMenu !== undefined ? p.exportMenu(close, [...picked.values()]) : (
                <>
                  <button type="button" onClick={() => { exporting('csv'); close(); }}>CSV (spreadsheet-safe)</button>
                  <button type="button" onClick={() => { exporting('json'); close(); }}>JSON</button>
                  <div className="note">What you see: this filter, this order, up to {count(EXPORT_MOST)} rows.</div>
                </>
              )}
            </Menu>
          )}
          {!phone && (
            <Menu name="Columns" look="plain" label={<><Columns3 size={14} aria-hidden /> Columns</>}>
              {() => p.columns.map((c) => (
                <label key={c.id}>
                  <input className="tick" type="checkbox" checked={!(hidden[c.id] ?? c.extra ?? false)} onChange={(e) => setHidden({ ...hidden, [c.id]: !e.target.checked })} />
                  {c.head}
                </label>
              ))}
            </Menu>
          )}
        </span>
      </div>
    </div>
  );
}

const EXPORT_MOST = 100_000;

async function exportRows<T>(p: Props<T>, kind: 'csv' | 'json', picked: T[]): Promise<void> {
  try {
    let all = picked;
    if (all.length === 0) {
      all = [];
      for (let offset = 0; offset < EXPORT_MOST; offset += 1000) {
        const page = await p.rows.fetchSlice(offset, 1000);
        all.push(...page.data);
        if (offset + 1000 >= page.total || page.data.length === 0) break;
        if (offset > 0 && offset % 20_000 === 0) say(`${count(all.length)} rows so far…`);
      }
    }
    const name = stamp(p.exportAs ?? p.name);
    if (kind === 'json') save(`${name}.json`, 'application/json', JSON.stringify(all, null, 1));
    else {
      const cells = p.columns.filter((c) => c.value !== undefined);
      save(`${name}.csv`, 'text/csv', csv(cells.map((c) => c.head), all.map((row) => cells.map((c) => c.value?.(row)))));
    }
    say(`${many(all.length, 'row')} saved as ${name}.${kind}`);
  } catch (error) {
    sayFailed(error);
  }
}
