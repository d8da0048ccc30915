/** Everybody who ever touched a decky, newest first. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useNews } from '../api/live';
import { attackers } from '../api/queries';
import type { AttackerRow } from '../api/types';
import { count, deckyName, many } from '../lib/format';
import { useNow } from '../lib/now';
import { useSettled, useTitle, useTouched } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { usePaged } from '../lib/paged';
import { Empty, Mark } from '../parts/Basics';
import { SearchField } from '../parts/SearchField';
import { ServiceSelect, DeckySelect } from '../parts/Selects';
import { Table, type Column } from '../parts/Table';
import { Captured, Ip, Services, When } from '../parts/Text';

const SORTS: [string, string][] = [['recent', 'Last seen'], ['active', 'Most events'], ['first', 'First seen'], ['traversals', 'Moved between deckies'], ['credentials', 'Most credentials']];

/** How far somebody got, in one word. */
export function Depth({ row, now }: { row: AttackerRow; now: number }) {
  const here = now - Date.parse(row.last_seen) < 300_000;
  if (row.command_count > 0) return <Mark tone={here ? 'alarm' : 'warn'} title="Ran commands on a decky">{here ? 'Got in just now' : 'Got in'}</Mark>;
  if (row.credential_count > 0) return <Mark tone="quiet" title="Tried to log in">{here ? 'Tried just now' : 'Tried'}</Mark>;
  return <span className="mark quiet" title="Looked, but said little"><span className="dot ring" aria-hidden />{here ? 'Scanned just now' : 'Scanned'}</span>;
}

export function Place({ row }: { row: AttackerRow }) {
  const parts = [row.country_code, row.as_name ?? (row.asn === null || row.asn === undefined ? null : `AS${row.asn}`)].filter((x) => x !== null && x !== undefined && x !== '');
  return parts.length === 0 ? <span className="faint">–</span> : <Captured one text={parts.join(' · ')} />;
}

function path(row: AttackerRow): string {
  return row.deckies.map(deckyName).join(' → ');
}

export function Attackers() {
  useTitle('Attackers');
  const search = useSearch({ from: '/attackers' });
  const navigate = useNavigate({ from: '/attackers' });
  const now = useNow();
  const [text, setText] = useState(search.q ?? '');
  const settled = useSettled(text, 220);
  useEffect(() => { if (settled.trim() !== (search.q ?? '')) void navigate({ search: (s) => ({ ...s, q: settled.trim() || undefined }), replace: true }); }, [settled, navigate, search.q]);
  const sort = search.sort ?? 'recent';
  const ask = useMemo(() => ({ search: search.q, sort_by: sort, service: search.service, decky: search.decky }), [search.q, sort, search.service, search.decky]);
  const make = useCallback((page: { limit: number; offset: number }) => attackers(ask, page), [ask]);
  const rows = usePaged<AttackerRow>(make);

  // News waits while somebody points at the list, works in it, or has scrolled.
  const news = useNews('attackers');
  const seen = useRef(news);
  const [top, setTop] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const touched = useTouched(box);
  const waiting = news - seen.current;
  const { again } = rows;
  const showNews = useCallback(() => { seen.current = news; again(); }, [news, again]);
  // At most every three seconds, however many attackers there are.
  const shownAt = useRef(0);
  useEffect(() => {
    if (waiting === 0 || touched || !top) return;
    const timer = setTimeout(() => {
      shownAt.current = Date.now();
      showNews();
    }, Math.max(0, 3000 - (Date.now() - shownAt.current)));
    return () => clearTimeout(timer);
  }, [waiting, touched, top, showNews]);
  useKey('r', showNews);

  const columns: Column<AttackerRow>[] = useMemo(() => [
    { id: 'ip', head: 'Address', width: 'minmax(140px, 1.1fr)', cell: (r) => <Ip ip={r.ip} />, value: (r) => r.ip },
    { id: 'depth', head: 'How far', width: '126px', cell: (r) => <Depth row={r} now={now} />, value: (r) => (r.command_count > 0 ? 'got in' : r.credential_count > 0 ? 'tried' : 'scanned') },
    { id: 'last', head: 'Last seen', width: '86px', sort: 'recent', cell: (r) => <When at={r.last_seen} />, value: (r) => r.last_seen },
    { id: 'first', head: 'First seen', width: '92px', sort: 'first', extra: true, cell: (r) => <When at={r.first_seen} />, value: (r) => r.first_seen },
    { id: 'events', head: 'Events', width: '62px', num: true, sort: 'active', cell: (r) => count(r.event_count), value: (r) => r.event_count },
    { id: 'sessions', head: 'Sessions', width: '70px', num: true, extra: true, cell: (r) => count(r.session_count), value: (r) => r.session_count },
    { id: 'credentials', head: 'Credentials', width: '74px', num: true, sort: 'credentials', cell: (r) => r.credential_count > 0 ? count(r.credential_count) : <span className="faint">0</span>, value: (r) => r.credential_count },
    { id: 'commands', head: 'Commands', width: '68px', num: true, cell: (r) => r.command_count > 0 ? count(r.command_count) : <span className="faint">0</span>, value: (r) => r.command_count },
    { id: 'files', head: 'Files', width: '38px', num: true, cell: (r) => r.file_count > 0 ? count(r.file_count) : <span className="faint">0</span>, value: (r) => r.file_count },
    { id: 'services', head: 'Services', width: 'minmax(182px, 1.1fr)', cell: (r) => <Services names={r.services} deep={r.interacted} max={3} />, value: (r) => r.services.join(' ') },
    { id: 'path', head: 'Deckies', width: 'minmax(112px, 1.5fr)', sort: 'traversals', cell: (r) => <span title={path(r)}>{path(r)}</span>, value: (r) => r.deckies.join(' ') },
    { id: 'origin', head: 'Origin', width: 'minmax(104px, 1fr)', cell: (r) => <Place row={r} />, value: (r) => [r.country_code, r.as_name].filter(Boolean).join(' ') },
    { id: 'ptr', head: 'Reverse name', width: '200px', extra: true, cell: (r) => r.ptr_record ? <Captured one text={r.ptr_record} /> : <span className="faint">–</span>, value: (r) => r.ptr_record },
  ], [now]);

  const open = useCallback((row: AttackerRow) => void navigate({ to: '/attackers/$ip', params: { ip: row.ip } }), [navigate]);
  const filtered = search.q !== undefined || search.service !== undefined || search.decky !== undefined;
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Attackers</h1></div>
        <div className="tools grow">
          <SearchField value={text} set={setText} label="Search attackers" placeholder="Part of an address, a country, a network" />
          <ServiceSelect value={search.service} set={(service) => void navigate({ search: (s) => ({ ...s, service }) })} />
          <DeckySelect value={search.decky} set={(decky) => void navigate({ search: (s) => ({ ...s, decky }) })} />
          <label className="row small"><span className="muted">Order</span>
            <select className="input" aria-label="Order" value={sort} onChange={(e) => void navigate({ search: (s) => ({ ...s, sort: e.target.value === 'recent' ? undefined : e.target.value }) })}>
              {SORTS.map(([by, word]) => <option key={by} value={by}>{word}</option>)}
            </select>
          </label>
        </div>
      </header>
      <div className="split" ref={box}>
        <Table
          name="attackers" label="Attackers" rows={rows} columns={columns} keyOf={(r) => r.uuid} open={open} exportAs="attackers" noun={['attacker', 'attackers']}
          sort={{ by: sort, set: (by) => void navigate({ search: (s) => ({ ...s, sort: by === 'recent' ? undefined : by }) }) }} scrolled={setTop}
          above={waiting > 0 && (touched || !top) ? <button type="button" className="news" onClick={showNews}>{many(waiting, 'change')} · show</button> : null}
          card={(r) => (
            <>
              <span className="row spread"><Ip ip={r.ip} /><Depth row={r} now={now} /></span>
              <span className="row spread small muted"><span className="clip">{many(r.event_count, 'event')} · {path(r)}</span><When at={r.last_seen} /></span>
            </>
          )}
          empty={filtered ? <Empty title="No attacker fits.">Take a filter away, or search for less.</Empty>
            : <Empty title="Nobody has touched a decky yet.">The first packet that reaches one shows up here within a second. To see it work, try one of the three commands that <code>make run</code> printed.</Empty>}
        />
      </div>
    </main>
  );
}
