/** Every event, as it happens and as it happened. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { send } from '../api/client';
import { KEPT, useLive } from '../api/live';
import { histogram, logs } from '../api/queries';
import type { LogRow } from '../api/types';
import { count, deckyName, full, many } from '../lib/format';
import { kindOfRow } from '../lib/events';
import { useHeld, useTitle, useTouched } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { PAGE, usePaged, type Paged } from '../lib/paged';
import { csv, save, saveBlob, stamp } from '../lib/save';
import { matches, terms, withTerm, withoutTerm } from '../lib/search';
import { Bars } from '../parts/Bars';
import { Button, Empty, Menu } from '../parts/Basics';
import { EventDrawer, gist, KindMark } from '../parts/Event';
import { CircleHelp, Pause, Play, X } from '../parts/icons';
import { SearchField } from '../parts/SearchField';
import { DeckySelect, ServiceSelect } from '../parts/Selects';
import { Table, type Column } from '../parts/Table';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';
import { say, sayFailed } from '../parts/toast';

const SPANS: [string, string, number | null][] = [['1h', '1 h', 3.6e6], ['24h', '24 h', 8.64e7], ['7d', '7 d', 6.048e8], ['30d', '30 d', 2.592e9], ['all', 'All', null]];
const KINDS: [string, string][] = [['auth_attempt', 'Login tries'], ['command', 'Commands'], ['request', 'Requests'], ['file_captured', 'Files'], ['url_seen', 'URLs'], ['connect', 'Contacts'], ['disconnect', 'Ends'], ['ssh_client', 'SSH clients'], ['tls_client_hello', 'TLS hellos'], ['session_recorded', 'Recordings'], ['message_stored', 'Mails']];
/** Live rows before the list is asked for anew. */
const MOST_LIVE = 1500;

function termOf(q: string, key: string): string | undefined {
  return terms(q).find((t) => t.key === key)?.value;
}

export function Live() {
  useTitle('Live');
  const search = useSearch({ from: '/live' });
  const navigate = useNavigate({ from: '/live' });
  const q = search.q ?? '';
  const span = search.span ?? '24h';
  const [text, setText] = useState(q);
  const [anchor, setAnchor] = useState(() => Date.now());
  useEffect(() => setText(q), [q]);
  const setQ = useCallback((next: string) => void navigate({ search: (s) => ({ ...s, q: next.trim() || undefined, event: undefined }) }), [navigate]);
  useEffect(() => {
    if (text.trim() === q) return;
    const timer = setTimeout(() => void navigate({ search: (s) => ({ ...s, q: text.trim() || undefined, event: undefined }), replace: true }), 450);
    return () => clearTimeout(timer);
  }, [text, q, navigate]);

  const renew = useCallback(() => setAnchor(Date.now()), []);

  // What is asked: a span that ends now, or a window that somebody chose.
  const ask = useMemo(() => {
    const length = SPANS.find((s) => s[0] === span)?.[2] ?? null;
    const start = search.from ?? (length === null ? undefined : new Date(anchor - length).toISOString());
    return { search: search.q, start_time: start, end_time: search.to };
  }, [search.q, search.from, search.to, span, anchor]);
  const barsAsk = useMemo(() => ({ ...ask, start_time: ask.start_time ?? new Date(anchor - 3.1536e10).toISOString() }), [ask, anchor]);
  const bars = useQuery({ ...histogram(barsAsk), placeholderData: keepPreviousData });

  // The first page fixes the newest row; later pages are asked for up to it, so nothing shifts while one reads.
  const head = useQuery({ ...logs(ask, { limit: PAGE, offset: 0 }), queryKey: ['logs', ask, String(anchor), 'head'], staleTime: Infinity });
  const newestAt = head.data?.data[0]?.timestamp;
  const newestId = useMemo(() => Math.max(0, ...(head.data?.data.map((r) => r.id) ?? [])), [head.data]);
  const make = useCallback((page: { limit: number; offset: number }) => page.offset === 0 && page.limit === PAGE
    ? { ...logs(ask, page), queryKey: ['logs', ask, String(anchor), 'head'] }
    : { ...logs({ ...ask, end_time: ask.end_time ?? newestAt }, page), queryKey: ['logs', ask, String(anchor), page] }, [ask, anchor, newestAt]);
  const history = usePaged<LogRow>(make as never);

  // Live rows on top, unless paused, pointed at, or scrolled away.
  const live = useLive();
  const [paused, setPaused] = useState(false);
  const [top, setTop] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const touched = useTouched(box);
  const open = search.event !== undefined;
  const hold = paused || touched || !top || open;
  const wanted = useMemo(() => terms(q), [q]);
  const follows = search.to === undefined && head.data !== undefined;
  const fitting = useMemo(() => (follows ? live.rows.filter((r) => r.id > newestId && matches(r, wanted)) : []), [follows, live.rows, newestId, wanted]);
  const key = `${newestId} ${q} ${anchor} ${search.from ?? ''} ${search.to ?? ''}`;
  const keyRef = useRef(key);
  const changed = keyRef.current !== key;
  keyRef.current = key;
  const shown = useHeld(fitting, hold && !changed);
  const waiting = Math.max(0, fitting.length - shown.length);
  // Rows that passed while the list was held and are no longer kept: ask for them.
  const gap = follows && live.rows.length >= KEPT && (live.rows.at(-1)?.id ?? 0) > newestId + 1;
  useEffect(() => { if (!hold && (gap || shown.length > MOST_LIVE)) renew(); }, [hold, gap, shown.length, renew]);
  const go = useCallback(() => { setPaused(false); renew(); }, [renew]);
  useKey('p', useCallback(() => setPaused((p) => !p), []));
  useKey('r', go);
  useEffect(() => { if (live.lost > 0) renew(); }, [live.lost, renew]);

  const L = shown.length;
  const rows: Paged<LogRow> = {
    ...history, total: history.total + L, count: history.count + L,
    at: (i) => (i < L ? shown[i] : history.at(i - L)),
    see: useCallback((a: number, b: number) => history.see(Math.max(0, a - L), Math.max(0, b - L)), [history.see, L]), // eslint-disable-line react-hooks/exhaustive-deps
  };

  const pick = useCallback((row: LogRow) => void navigate({ search: (s) => ({ ...s, event: `${row.id}@${row.timestamp}` }), replace: open }), [navigate, open]);
  const close = useCallback(() => void navigate({ search: (s) => ({ ...s, event: undefined }), replace: true }), [navigate]);
  useKey('Escape', useCallback(() => { if (open) close(); }, [open, close]));

  const columns: Column<LogRow>[] = useMemo(() => [
    { id: 'time', head: 'Time', width: '106px', cell: (r) => <When at={r.timestamp} form={span === '1h' || span === '24h' ? 'moment' : 'moment'} />, value: (r) => r.timestamp },
    { id: 'kind', head: 'What', width: '112px', cell: (r) => <KindMark type={r.event_type} outcome={r.fields['outcome']} />, value: (r) => r.event_type },
    { id: 'attacker', head: 'Attacker', width: 'minmax(118px, 0.7fr)', cell: (r) => <Ip ip={r.attacker_ip} />, value: (r) => r.attacker_ip },
    { id: 'decky', head: 'Decky', width: 'minmax(90px, 0.6fr)', cell: (r) => <Decky id={r.decky} />, value: (r) => r.decky },
    { id: 'service', head: 'Service', width: '76px', cell: (r) => <Service name={r.service} />, value: (r) => r.service },
    { id: 'gist', head: 'Said or did', width: 'minmax(220px, 3.4fr)', cell: (r) => <Captured one text={gist(r)} className={kindOfRow(r).weight === 'quiet' ? 'muted' : ''} />, value: (r) => r.msg },
    { id: 'ports', head: 'Ports', width: '110px', extra: true, cell: (r) => <span className="mono">{r.src_port ?? '–'} → {r.dst_port ?? '–'}</span>, value: (r) => `${r.src_port ?? ''}>${r.dst_port ?? ''}` },
    { id: 'session', head: 'Session', width: '290px', extra: true, cell: (r) => <span className="mono faint">{r.session_id ?? '–'}</span>, value: (r) => r.session_id },
  ], [span]);

  const exportAll = (format: 'csv' | 'json' | 'syslog'): void => {
    say('The export is being made…');
    send('GET', '/logs/export', { query: { format, ...ask } })
      .then((r) => r.blob())
      .then((blob) => saveBlob(`${stamp('events')}.${{ csv: 'csv', json: 'ndjson', syslog: 'log' }[format]}`, blob))
      .catch(sayFailed);
  };
  const chosen = search.event === undefined ? null : (search.event.split('@')[0] ?? null);
  const custom = search.from !== undefined || search.to !== undefined;

  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Live</h1></div>
        <div className="tools grow">
          <SearchField mono value={text} set={setText} submit={() => setQ(text)} label="Search events" placeholder="service:ssh event:command wget" />
          <SearchHelp />
          <select className="input" aria-label="Kind of event" value={termOf(q, 'event') ?? ''} onChange={(e) => setQ(e.target.value === '' ? withoutTerm(q, 'event') : withTerm(q, 'event', e.target.value))}>
            <option value="">Any kind</option>
            {KINDS.map(([type, word]) => <option key={type} value={type}>{word}</option>)}
          </select>
          <ServiceSelect value={termOf(q, 'service')} set={(v) => setQ(v === undefined ? withoutTerm(q, 'service') : withTerm(q, 'service', v))} />
          <DeckySelect value={termOf(q, 'decky')} set={(v) => setQ(v === undefined ? withoutTerm(q, 'decky') : withTerm(q, 'decky', v))} />
        </div>
        <div className="actions">
          <div className="segment" role="group" aria-label="Span">
            {SPANS.map(([id, word]) => (
              <button key={id} type="button" aria-pressed={!custom && span === id} onClick={() => { renew(); void navigate({ search: (s) => ({ ...s, span: id === '24h' ? undefined : id, from: undefined, to: undefined }) }); }}>{word}</button>
            ))}
          </div>
          <Button look={paused ? 'primary' : 'normal'} aria-pressed={paused} onClick={() => (paused ? go() : setPaused(true))} aria-keyshortcuts="p" disabled={search.to !== undefined} className="pause">
            {paused ? <><Play size={14} aria-hidden /> Go on{waiting > 0 && ` · ${count(waiting)}${gap ? '+' : ''} waiting`}</> : <><Pause size={14} aria-hidden /> Pause</>}
          </Button>
        </div>
      </header>
      <div className="bars-strip">
        <Bars data={bars.data} height={64} label="Events over time" pick={(from, to) => void navigate({ search: (s) => ({ ...s, from, to, event: undefined }) })} />
        {custom && (
          <div className="row small" style={{ marginTop: 8 }}>
            <span className="muted">From {search.from === undefined ? 'the beginning' : full(search.from)} to {search.to === undefined ? 'now' : full(search.to)}</span>
            <Button look="plain" onClick={() => void navigate({ search: (s) => ({ ...s, from: undefined, to: undefined }) })}><X size={14} aria-hidden /> Back to {SPANS.find((s) => s[0] === span)?.[1]}</Button>
          </div>
        )}
      </div>
      <div className="split">
        <div className="split-main" ref={box}>
          <Table
            name="events" label="Events" rows={rows} columns={open ? columns.filter((c) => !['decky', 'service', 'ports', 'session'].includes(c.id)) : columns} keyOf={(r) => String(r.id)} open={pick} chosen={chosen} exportAs="events" noun={['event', 'events']} cardHeight={86} scrolled={setTop}
            above={!paused && waiting > 0 ? <button type="button" className="news" onClick={renew}>{many(waiting, 'new event')} · show</button> : null}
            card={(r) => (
              <>
                <span className="row spread"><KindMark type={r.event_type} outcome={r.fields['outcome']} /><When at={r.timestamp} form="moment" /></span>
                <span className="row small"><Ip ip={r.attacker_ip} /><span className="muted clip">{deckyName(r.decky)} · {r.service}</span></span>
                <Captured one text={gist(r)} className="small muted" />
              </>
            )}
            exportMenu={(done, picked) => (picked.length > 0 ? (
              <>
                <button type="button" onClick={() => { save(`${stamp('events')}.csv`, 'text/csv', csv(columns.map((c) => c.head), picked.map((r) => columns.map((c) => c.value?.(r))))); done(); }}>CSV (spreadsheet-safe)</button>
                <button type="button" onClick={() => { save(`${stamp('events')}.json`, 'application/json', JSON.stringify(picked, null, 1)); done(); }}>JSON</button>
              </>
            ) : (
              <>
                <button type="button" onClick={() => { exportAll('csv'); done(); }}>CSV (spreadsheet-safe)</button>
                <button type="button" onClick={() => { exportAll('json'); done(); }}>JSON, one event a line</button>
                <button type="button" onClick={() => { exportAll('syslog'); done(); }}>Syslog (RFC 5424)</button>
                <div className="note">Everything that fits this search and span, oldest first.</div>
              </>
            ))}
            empty={q !== '' || custom ? <Empty title="No event fits.">Widen the span, or take a word out of the search.</Empty>
              : <Empty title={`Nothing in the last ${SPANS.find((s) => s[0] === span)?.[1] ?? ''}.`}>Whatever touches a decky appears here within a second. {span !== 'all' && 'Older events: choose a longer span.'}</Empty>}
          />
        </div>
        {search.event !== undefined && <Detail mark={search.event} known={(id) => findRow(id, shown, live.rows, history)} close={close} />}
      </div>
    </main>
  );
}

function findRow(id: number, shown: LogRow[], live: LogRow[], history: Paged<LogRow>): LogRow | undefined {
  const near = shown.find((r) => r.id === id) ?? live.find((r) => r.id === id);
  if (near !== undefined) return near;
  for (let i = 0; i < Math.min(history.count, 2000); i += 1) {
    const row = history.at(i);
    if (row?.id === id) return row;
  }
  return undefined;
}

/** The chosen event; asked for by its time if it is not at hand, so that a sent address works. */
function Detail({ mark, known, close }: { mark: string; known: (id: number) => LogRow | undefined; close: () => void }) {
  const at = mark.indexOf('@');
  const id = Number(mark.slice(0, at < 0 ? undefined : at));
  const time = at < 0 ? undefined : mark.slice(at + 1);
  const here = known(id);
  // The end is not part of a span: one millisecond holds the moment.
  const after = time === undefined || Number.isNaN(Date.parse(time)) ? undefined : new Date(Date.parse(time) + 1).toISOString();
  const asked = useQuery({ ...logs({ start_time: time, end_time: after }, { limit: 1000, offset: 0 }), enabled: here === undefined && after !== undefined });
  const row = here ?? asked.data?.data.find((r) => r.id === id);
  if (row !== undefined) return <EventDrawer row={row} close={close} />;
  return (
    <aside className="drawer" aria-label="Event">
      <header><b>Event</b><span className="grow" /><Button look="plain" square aria-label="Close the detail" onClick={close}><X size={16} aria-hidden /></Button></header>
      <Empty slim title={asked.isFetching ? 'Looking for it…' : 'This event is not there.'}>{asked.isFetching ? undefined : 'It may have been purged.'}</Empty>
    </aside>
  );
}

function SearchHelp() {
  return (
    <Menu name="How to search" look="plain" square label={<CircleHelp size={16} aria-hidden />}>
      {() => (
        <div className="search-help" tabIndex={-1}>
          <p>All words must match. <code>key:value</code> names a column or a field; quotes keep blanks.</p>
          <dl className="facts">
            <dt><code>decky:web-01</code></dt><dd>one decky</dd>
            <dt><code>service:ssh</code></dt><dd>one service</dd>
            <dt><code>event:command</code></dt><dd>one kind of event</dd>
            <dt><code>attacker:192.0.2.7</code></dt><dd>one address</dd>
            <dt><code>outcome:success</code></dt><dd>any field by its name</dd>
            <dt><code>wget "two words"</code></dt><dd>anywhere in the text</dd>
          </dl>
        </div>
      )}
    </Menu>
  );
}
