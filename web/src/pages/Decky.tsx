/** One decky: who it pretends to be, how it is, who came. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { Fragment } from 'react';
import { attackers, decky, histogram, recent, sessions } from '../api/queries';
import type { FleetDeckyRow } from '../api/types';
import { count, deckyName, full, many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { Bars } from '../parts/Bars';
import { Empty, Failed, Ghosts, Mark, Panel, ScrollX } from '../parts/Basics';
import { DeckyTools } from '../parts/FleetHands';
import { FeedLine } from '../parts/Event';
import { Ip, Service, Services, When } from '../parts/Text';
import { DeckyState, fact } from './Fleet';

/** Offered while one types; the fleet says which of them this build can play. */
const SERVICES = ['ftp', 'http', 'https', 'mysql', 'redis', 'smtp', 'ssh', 'telnet'];

type Software = { product?: unknown; version?: unknown; package?: unknown };

export function DeckyPage() {
  const { decky: id } = useParams({ from: '/fleet/$decky' });
  useTitle(deckyName(id));
  const q = useQuery(decky(id));
  const row = q.data;
  const full_ = row === undefined ? id : `${row.host_uuid}:${row.name}`;
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title">
          <nav className="crumbs" aria-label="Where this is"><Link to="/fleet">Fleet</Link> ›</nav>
          <h1 className="row wrap">{deckyName(id)} {row !== undefined && <span className="h1-mark"><DeckyState row={row} /></span>}</h1>
          {row !== undefined && <p className="sub"><span className="ip">{row.decky_ip ?? 'no address'}</span>{fact(row, 'hostname') !== '' && <>, says it is <b>{fact(row, 'hostname')}{fact(row, 'domain') !== '' && `.${fact(row, 'domain')}`}</b></>}</p>}
        </div>
        <div className="actions">
          <Link className="btn" to="/sessions" search={{ decky: full_ }}>Sessions</Link>
          <Link className="btn" to="/live" search={{ q: `decky:${full_}`, span: '7d' }}>Events</Link>
        </div>
      </header>
      {q.error !== null && row === undefined && <Failed error={q.error} retry={() => void q.refetch()} />}
      {row?.last_error && <div className="failed"><Mark tone={row.state === 'failed' ? 'alarm' : 'warn'}>{row.state === 'failed' ? 'It does not run' : 'It does not run as it should'}</Mark><span className="mono small">{row.last_error}</span></div>}
      <div className="two">
        <div className="stack wide-gap">
          <Touched id={full_} />
          <Visitors id={full_} />
          <Panel title="Newest events" flush><Newest id={full_} /></Panel>
        </div>
        <aside className="stack wide-gap" aria-label="What it pretends to be">{row === undefined ? <Panel title="Persona"><Ghosts lines={6} /></Panel> : <><Persona row={row} /><DeckyTools row={row} services={SERVICES} /></>}</aside>
      </div>
    </main>
  );
}

function Touched({ id }: { id: string }) {
  const navigate = useNavigate();
  const bars = useQuery(histogram({ search: `decky:${id}` }));
  return (
    <div className="bars-strip">
      <p className="tiny muted" style={{ marginBottom: 6 }}>Events, last 24 hours</p>
      <Bars data={bars.data} height={56} label={`Events on ${deckyName(id)} in the last 24 hours`} pick={(from, to) => void navigate({ to: '/live', search: { q: `decky:${id}`, from, to } })} />
    </div>
  );
}

function Visitors({ id }: { id: string }) {
  const q = useQuery(attackers({ decky: id }, { limit: 8, offset: 0 }));
  const s = useQuery(sessions({ decky: id }, { limit: 1, offset: 0 }));
  return (
    <Panel title="Who came" flush actions={q.data !== undefined && q.data.total > 0 ? <Link className="btn plain" to="/attackers" search={{ decky: id }}>All {count(q.data.total)}</Link> : undefined}>
      {q.error !== null ? <div style={{ padding: 16 }}><Failed error={q.error} retry={() => void q.refetch()} /></div> : q.data === undefined ? <div style={{ padding: 16 }}><Ghosts /></div> : q.data.data.length === 0 ? <Empty slim title="Nobody has touched it yet.">Attackers that reach this decky are listed here, last seen first.</Empty> : (
        <ScrollX label="Who came">
          <table className="plain-table">
            <thead><tr><th>Address</th><th>Services</th><th className="right">Events</th><th className="right">Commands</th><th>Last seen</th></tr></thead>
            <tbody>
              {q.data.data.map((a) => <tr key={a.uuid}><td><Ip ip={a.ip} /></td><td><Services names={a.services} deep={a.interacted} max={5} /></td><td className="right">{count(a.event_count)}</td><td className="right">{count(a.command_count)}</td><td><When at={a.last_seen} /></td></tr>)}
            </tbody>
          </table>
          {s.data !== undefined && <p className="tiny muted" style={{ padding: '8px 16px 12px' }}>{many(s.data.total, 'session')} in all</p>}
        </ScrollX>
      )}
    </Panel>
  );
}

function Newest({ id }: { id: string }) {
  const q = useQuery(recent(`decky:${id}`, 25));
  if (q.error !== null) return <div style={{ padding: 16 }}><Failed error={q.error} retry={() => void q.refetch()} /></div>;
  if (q.data === undefined) return <div style={{ padding: 16 }}><Ghosts /></div>;
  if (q.data.data.length === 0) return <Empty slim title="Quiet.">Events on this decky pass here.</Empty>;
  return <div className="feed">{q.data.data.map((r) => <FeedLine key={r.id} row={r} />)}</div>;
}

/** A time that may be kept as microseconds or as text. */
function timeOf(value: unknown): string {
  if (typeof value === 'number') return full(new Date(value / 1000).toISOString());
  return typeof value === 'string' ? full(value) : '';
}

function Persona({ row }: { row: FleetDeckyRow }) {
  const c = row.decky_config;
  const software = (typeof c['software'] === 'object' && c['software'] !== null ? c['software'] : {}) as Record<string, Software>;
  const lines: [string, string, boolean?][] = [
    ['Archetype', fact(row, 'archetype')], ['Company', fact(row, 'company')], ['System', fact(row, 'distro_name', 'distro')], ['Kernel', fact(row, 'kernel'), true], ['TCP stack', fact(row, 'nmap_os').replaceAll('_', ' ')],
    ['MAC', fact(row, 'mac'), true], ['Addresses', fact(row, 'ips') || (row.decky_ip ?? ''), true], ['Gateway', fact(row, 'gateway'), true], ['Time zone', fact(row, 'timezone')], ['Up since', timeOf(c['booted'])], ['Link', fact(row, 'link'), true], ['Runtime', fact(row, 'runtime')],
  ];
  const notes = Array.isArray(c['notes']) ? c['notes'].map(String) : [];
  return (
    <>
      <Panel title="What it pretends to be">
        <dl className="facts">
          {lines.filter(([, v]) => v !== '').map(([k, v, mono]) => <Fragment key={k}><dt>{k}</dt><dd className={mono === true ? 'mono small' : undefined}>{v}</dd></Fragment>)}
          <dt>Changed</dt><dd><When at={row.updated_at} /></dd>
          <dt>Seen running</dt><dd><When at={row.last_seen} /></dd>
          <dt>Host</dt><dd className="mono small">{row.host_uuid}</dd>
        </dl>
      </Panel>
      <Panel title="Services">
        {row.services.length === 0 ? <p className="muted small">None.</p> : (
          <ul className="stack">
            {row.services.map((name) => {
              const s = software[name];
              return <li key={name} className="row spread"><Service name={name} deep /><span className="small muted clip">{s === undefined ? '' : [s.product, s.version, s.package].filter((x) => typeof x === 'string' && x !== '').join(' ')}</span></li>;
            })}
          </ul>
        )}
        {notes.length > 0 && <ul className="stack small muted" style={{ marginTop: 12 }}>{notes.map((n) => <li key={n}>{n}</li>)}</ul>}
      </Panel>
    </>
  );
}
