/** One attacker: the timeline is the spine, everything else hangs on it. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { attacker, attackerLogs, bounty, credentials, files, histogram, sessionEvents, sessions } from '../api/queries';
import type { AttackerRow, BountyRow, LogRow, SessionRow } from '../api/types';
import { kindOfRow } from '../lib/events';
import { count, day, deckyName, duration, full, many, size } from '../lib/format';
import { useHeld, useTitle, useTouched } from '../lib/hooks';
import { useNow } from '../lib/now';
import { Bars } from '../parts/Bars';
import { Button, CopyButton, Empty, Failed, Ghosts, Mark, Panel, ScrollX } from '../parts/Basics';
import { gist, KindIcon } from '../parts/Event';
import { FileLine } from '../parts/FileLine';
import { ChevronDown, ChevronRight, Clapperboard, DoorOpen, Globe, KeyRound, Plug, SquareTerminal } from '../parts/icons';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';
import { BehaviourPanel, IntelPanel, StackPanel } from './AttackerPanels';
import { Depth } from './Attackers';
import { Outcome, Secret } from './Credentials';

const TABS = [['timeline', 'Timeline'], ['commands', 'Commands'], ['credentials', 'Credentials'], ['files', 'Files'], ['evidence', 'Evidence']] as const;
type Tab = (typeof TABS)[number][0];

export function Attacker() {
  const { ip: key } = useParams({ from: '/attackers/$ip' });
  const search = useSearch({ from: '/attackers/$ip' });
  const navigate = useNavigate({ from: '/attackers/$ip' });
  const a = useQuery(attacker(key));
  const row = a.data ?? null;
  const ip = row?.ip ?? key;
  useTitle(ip);
  const now = useNow();
  useEffect(() => {
    // A uuid in the address becomes the address everybody can read.
    if (row !== null && key !== row.ip) void navigate({ to: '/attackers/$ip', params: { ip: row.ip }, search: (s) => s, replace: true });
  }, [row, key, navigate]);
  const tab: Tab = TABS.find((t) => t[0] === search.tab)?.[0] ?? 'timeline';
  const n: Record<Tab, number | undefined> = { timeline: row?.session_count, commands: row?.command_count, credentials: row?.credential_count, files: row?.file_count, evidence: row?.bounty_count };
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title">
          <nav className="crumbs" aria-label="Where this is"><Link to="/attackers">Attackers</Link> ›</nav>
          <h1 className="row wrap"><span className="mono">{ip}</span> <CopyButton text={ip} what="the address" />{row !== null && <span className="h1-mark"><Depth row={row} now={now} /></span>}</h1>
          {row !== null && <p className="sub">First seen <When at={row.first_seen} />, last <When at={row.last_seen} />{row.is_traversal && `, moved between ${row.decky_count} deckies`}</p>}
        </div>
        <div className="actions">
          {row?.identity_id && <Link className="btn" to="/identities/$uuid" params={{ uuid: row.identity_id }}>Identity</Link>}
          <Link className="btn" to="/live" search={{ q: `attacker:${ip}`, span: 'all' }}>All events</Link>
        </div>
      </header>
      {a.error !== null && row === null && <Failed error={a.error} retry={() => void a.refetch()} />}
      {a.data === null && <p className="muted small">This address has no profile {'(yet)'}: a profile is written a moment after the first event. What was recorded of it is below.</p>}
      <div className="two">
        <div className="stack wide-gap">
          {row !== null && <Activity row={row} />}
          <nav className="tabs" aria-label="About this attacker">
            {TABS.map(([id, word]) => (
              <Link key={id} to="/attackers/$ip" params={{ ip }} search={{ tab: id === 'timeline' ? undefined : id }} activeOptions={{ exact: true, explicitUndefined: true }} aria-current={tab === id ? 'page' : undefined} resetScroll={false}>
                {word}{n[id] !== undefined && <span className="n">{count(n[id] ?? 0)}</span>}
              </Link>
            ))}
          </nav>
          {tab === 'timeline' && <Timeline ip={ip} />}
          {tab === 'commands' && <Commands ip={ip} />}
          {tab === 'credentials' && <Creds ip={ip} />}
          {tab === 'files' && <Files ip={ip} />}
          {tab === 'evidence' && <Evidence ip={ip} />}
        </div>
        <aside className="stack wide-gap" aria-label="What is known">
          {row === null ? (a.isPending ? <Panel title="What is known"><Ghosts lines={6} /></Panel> : null) : <Known row={row} />}
        </aside>
      </div>
    </main>
  );
}

function Activity({ row }: { row: AttackerRow }) {
  const navigate = useNavigate();
  const ask = useMemo(() => {
    const end = Date.parse(row.last_seen) + 1000;
    const start = Math.min(Date.parse(row.first_seen), end - 600_000);
    return { search: `attacker:${row.ip}`, start_time: new Date(start).toISOString(), end_time: new Date(end).toISOString() };
  }, [row.ip, row.first_seen, row.last_seen]);
  const bars = useQuery(histogram(ask));
  return (
    <div className="bars-strip">
      <Bars data={bars.data} height={52} label={`Events of ${row.ip} over time`} pick={(from, to) => void navigate({ to: '/live', search: { q: `attacker:${row.ip}`, from, to } })} />
    </div>
  );
}

/** Whether anything was said in a conversation. */
const spoke = (s: SessionRow): boolean => s.command_count + s.credential_count + s.file_count > 0 || s.logged_in || s.bytes_in > 0;
type Knot = { kind: 'talk'; row: SessionRow } | { kind: 'quiet'; rows: SessionRow[] } | { kind: 'day'; at: string };

/** Sessions as knots of the spine: days between, runs of silent contacts folded into one. */
export function knots(rows: SessionRow[]): Knot[] {
  const out: Knot[] = [];
  let today = '';
  for (const row of rows) {
    const date = day(row.started_at);
    if (date !== today) out.push({ kind: 'day', at: row.started_at });
    today = date;
    const last = out.at(-1);
    if (spoke(row)) out.push({ kind: 'talk', row });
    else if (last?.kind === 'quiet') last.rows.push(row);
    else out.push({ kind: 'quiet', rows: [row] });
  }
  return out;
}

function Timeline({ ip }: { ip: string }) {
  const [limit, setLimit] = useState(50);
  const s = useQuery({ ...sessions({ attacker_ip: ip }, { limit, offset: 0 }), queryKey: ['attacker', ip, 'sessions', limit], placeholderData: (old) => old });
  const box = useRef<HTMLDivElement>(null);
  const touched = useTouched(box);
  const data = useHeld(s.data, touched && s.data !== undefined && s.data.limit === limit);
  const all = useMemo(() => knots(data?.data ?? []), [data]);
  const firstTalk = all.find((k) => k.kind === 'talk' && (k.row.logged_in || k.row.command_count > 0));
  if (s.error !== null && data === undefined) return <Failed error={s.error} retry={() => void s.refetch()} />;
  if (data === undefined) return <Ghosts lines={7} />;
  if (all.length === 0) return <Empty slim title="No session yet.">Each conversation with a decky becomes a knot on this line.</Empty>;
  return (
    <div ref={box}>
      <ol className="spine">
        {all.map((knot) => knot.kind === 'day' ? <li key={`d${knot.at}`} className="spine-day">{day(knot.at)}</li>
          : knot.kind === 'quiet' ? <QuietKnot key={knot.rows[0]?.sid} rows={knot.rows} />
            : <TalkKnot key={knot.row.sid} row={knot.row} first={knot === firstTalk} />)}
      </ol>
      {data.total > data.data.length && (
        <Button onClick={() => setLimit((l) => Math.min(1000, l + 100))} disabled={limit >= 1000}>{limit >= 1000 ? `The newest 1,000 of ${count(data.total)} are shown` : `Earlier: ${count(data.total - data.data.length)} more`}</Button>
      )}
    </div>
  );
}

function QuietKnot({ rows }: { rows: SessionRow[] }) {
  const [open, setOpen] = useState(false);
  const names = [...new Set(rows.map((r) => `${deckyName(r.decky)}:${r.dst_port ?? r.service}`))];
  return (
    <li className="knot quiet">
      <span className="knot-sign" aria-hidden><Plug size={13} /></span>
      <button type="button" className="knot-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />}
        <span className="muted clip">{many(rows.length, 'contact')} that said nothing: {names.slice(0, 6).join(', ')}{names.length > 6 && ` and ${names.length - 6} more`}</span>
        <When at={rows[0]?.started_at} form="moment" />
      </button>
      {open && (
        <ul className="knot-body">
          {rows.slice(0, 100).map((r) => <li key={r.sid} className="knot-line"><When at={r.started_at} form="clock" /><Link className="link" to="/sessions/$sid" params={{ sid: r.sid }}>{deckyName(r.decky)} {r.service}</Link></li>)}
        </ul>
      )}
    </li>
  );
}

function TalkKnot({ row, first }: { row: SessionRow; first: boolean }) {
  const [open, setOpen] = useState(first);
  const still = row.ended_at === null || row.ended_at === undefined;
  const Sign = row.logged_in ? DoorOpen : row.command_count > 0 ? SquareTerminal : row.credential_count > 0 ? KeyRound : row.service.startsWith('http') ? Globe : Plug;
  const did = [row.logged_in && 'logged in', row.credential_count > 0 && many(row.credential_count, 'login try', 'login tries'), row.command_count > 0 && many(row.command_count, 'command'), row.file_count > 0 && many(row.file_count, 'file')].filter(Boolean).join(', ');
  return (
    <li className={`knot ${row.logged_in ? 'inside' : row.command_count > 0 ? 'act' : ''}`}>
      <span className="knot-sign" aria-hidden><Sign size={14} /></span>
      <div className="knot-top">
        <button type="button" className="knot-head" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />}
          <b>{deckyName(row.decky)}</b>
          <Service name={row.service} deep />
          <span className="clip">{did === '' ? `${size(row.bytes_in)} received` : did}</span>
          {still ? <Mark tone="warn">open</Mark> : <span className="faint small">{duration(row.duration_us)}</span>}
          <When at={row.started_at} form="moment" />
        </button>
        <Link className="btn plain" to="/sessions/$sid" params={{ sid: row.sid }}>{row.recording !== null && row.recording !== undefined ? <><Clapperboard size={14} aria-hidden /> Replay</> : 'Session'}</Link>
      </div>
      {open && <KnotBody row={row} />}
    </li>
  );
}

function KnotBody({ row }: { row: SessionRow }) {
  const e = useQuery(sessionEvents(row.sid, { limit: 300, offset: 0 }));
  const told = (e.data?.data ?? []).filter((r) => kindOfRow(r).weight !== 'quiet' && r.event_type !== 'session_recorded');
  if (e.error !== null) return <div className="knot-body"><Failed error={e.error} retry={() => void e.refetch()} /></div>;
  if (e.data === undefined) return <div className="knot-body"><Ghosts lines={2} /></div>;
  return (
    <ul className="knot-body">
      {told.slice(0, 40).map((r) => <MomentLine key={r.id} row={r} />)}
      {told.length === 0 && <li className="muted small">Nothing beyond the connection itself.</li>}
      {(told.length > 40 || e.data.total > e.data.data.length) && <li><Link className="link small" to="/sessions/$sid" params={{ sid: row.sid }}>All {count(e.data.total)} events of this session</Link></li>}
    </ul>
  );
}

function MomentLine({ row }: { row: LogRow }) {
  const kind = kindOfRow(row);
  return (
    <li className={`knot-line ${kind.weight}`}>
      <When at={row.timestamp} form="clock" />
      <span className={`kind ${kind.weight}`} title={kind.word}><KindIcon icon={kind.icon} size={14} /><span className="sr">{kind.word}</span></span>
      <Captured text={gist(row)} limit={260} />
      {kind.weight === 'inside' && <span className="mark warn small">it worked</span>}
    </li>
  );
}

function More({ shown, total, more }: { shown: number; total: number; more: () => void }) {
  if (shown >= total) return null;
  return <div style={{ padding: '10px 16px' }}><Button onClick={more} disabled={shown >= 1000}>{shown >= 1000 ? `The newest 1,000 of ${count(total)} are shown; All events has the rest` : `${count(total - shown)} more`}</Button></div>;
}

function Section<T>({ q, empty, children }: { q: { data: { data: T[]; total: number } | undefined; error: unknown; refetch: () => unknown }; empty: ReactNode; children: (rows: T[], total: number) => ReactNode }) {
  if (q.error !== null && q.data === undefined) return <Failed error={q.error} retry={() => void q.refetch()} />;
  if (q.data === undefined) return <Ghosts lines={6} />;
  if (q.data.data.length === 0) return empty;
  return children(q.data.data, q.data.total);
}

function Commands({ ip }: { ip: string }) {
  const [limit, setLimit] = useState(100);
  const q = useQuery(attackerLogs(ip, 'command', { limit, offset: 0 }));
  return (
    <Section q={q} empty={<Empty slim title="No command.">Shell lines and protocol commands of this attacker would be here, newest first.</Empty>}>
      {(rows, total) => (
        <Panel flush>
          <ol className="moments">
            {rows.map((r) => (
              <li key={r.id}>
                <div className="command-line">
                  <span className="faint tiny"><When at={r.timestamp} form="moment" /></span>
                  <span className="small muted clip"><Decky id={r.decky} /> {r.service}</span>
                  <Captured text={gist(r)} limit={500} />
                  {r.session_id !== null && r.session_id !== undefined && <Link className="btn plain slim-link" to="/sessions/$sid" params={{ sid: r.session_id }} aria-label="Its session"><ChevronRight size={14} aria-hidden /></Link>}
                </div>
              </li>
            ))}
          </ol>
          <More shown={rows.length} total={total} more={() => setLimit((l) => Math.min(1000, l + 300))} />
        </Panel>
      )}
    </Section>
  );
}

function Creds({ ip }: { ip: string }) {
  const [limit, setLimit] = useState(100);
  const q = useQuery({ ...credentials({ attacker_ip: ip }, { limit, offset: 0 }), queryKey: ['attacker', ip, 'credentials', limit], placeholderData: (old) => old });
  return (
    <Section q={q} empty={<Empty slim title="No credential.">Every name and password this attacker offers would be here.</Empty>}>
      {(rows, total) => (
        <Panel flush>
          <ScrollX label="Credentials">
            <table className="plain-table">
              <thead><tr><th>User</th><th>Secret</th><th>Outcome</th><th>Where</th><th className="right">Tries</th><th>Last</th></tr></thead>
              <tbody>
                {rows.map((c) => (
                  <tr key={c.id}>
                    <td><Captured one text={c.principal ?? ''} /></td>
                    <td><Link className="noun" to="/credentials" search={{ q: c.secret_printable ?? undefined }}><Secret row={c} /></Link></td>
                    <td><Outcome outcome={c.outcome} /></td>
                    <td><Decky id={c.decky_name} /> <span className="faint">{c.service}</span></td>
                    <td className="right">{count(c.attempt_count)}</td>
                    <td><When at={c.last_seen} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollX>
          <More shown={rows.length} total={total} more={() => setLimit((l) => Math.min(1000, l + 300))} />
        </Panel>
      )}
    </Section>
  );
}

function Files({ ip }: { ip: string }) {
  const q = useQuery({ ...files({ attacker_ip: ip }, { limit: 200, offset: 0 }), queryKey: ['attacker', ip, 'files'] });
  return (
    <Section q={q} empty={<Empty slim title="No file.">Files this attacker uploads, writes or mails are kept by their SHA-256 and would be here.</Empty>}>
      {(rows) => <Panel flush><ul className="file-list">{rows.map((f) => <FileLine key={f.id} row={f} />)}</ul></Panel>}
    </Section>
  );
}

function Evidence({ ip }: { ip: string }) {
  const q = useQuery(bounty({ attacker_ip: ip }, { limit: 500, offset: 0 }));
  return (
    <Section q={q} empty={<Empty slim title="No evidence yet.">Fingerprints of the client (JA3, JA4, HASSH, SYN), leaked addresses and download URLs would be here.</Empty>}>
      {(rows) => (
        <Panel flush>
          <ul className="moments">
            {rows.map((b) => (
              <li key={b.id} className="evidence">
                <span className="row spread wrap"><b>{b.bounty_type.replaceAll('_', ' ')}</b><span className="small muted"><Decky id={b.decky} /> {b.service} · <When at={b.timestamp} form="moment" /></span></span>
                <Payload row={b} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </Section>
  );
}

function Payload({ row }: { row: BountyRow }) {
  return (
    <dl className="facts">
      {Object.entries(row.payload).map(([k, v]) => <Fact key={k} name={k.replaceAll('_', ' ')}><Captured text={typeof v === 'string' ? v : JSON.stringify(v)} limit={300} /></Fact>)}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <><dt>{name}</dt><dd>{children}</dd></>;
}

const KNOWN: Record<string, string> = { ja3: 'JA3', ja3s: 'JA3S', ja4: 'JA4', hassh: 'HASSH', syn: 'SYN', tcp_signature: 'SYN', http_useragent: 'User agent', user_agent: 'User agent', ssh_banner: 'SSH banner' };

function Known({ row }: { row: AttackerRow }) {
  const scanned = row.services.filter((s) => !row.interacted.includes(s));
  const str = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v) ?? '');
  return (
    <>
      <Panel title="What is known">
        <dl className="facts">
          <Fact name="Origin">{row.country_code || row.as_name || row.asn ? <Captured text={[row.country_code, row.as_name, row.asn ? `AS${row.asn}` : null].filter(Boolean).join(' · ')} /> : <span className="faint">not known</span>}</Fact>
          <Fact name="Reverse name">{row.ptr_record ? <Captured text={row.ptr_record} /> : <span className="faint">none known</span>}</Fact>
          <Fact name="First seen">{full(row.first_seen)}</Fact>
          <Fact name="Last seen">{full(row.last_seen)}</Fact>
          <Fact name="Events">{count(row.event_count)}</Fact>
          <Fact name="Spoke with"><span className="tags wrap">{row.interacted.length === 0 ? <span className="faint">nothing</span> : row.interacted.map((s) => <Service key={s} name={s} deep />)}</span></Fact>
          <Fact name="Only scanned"><span className="tags wrap">{scanned.length === 0 ? <span className="faint">nothing</span> : scanned.map((s) => <Service key={s} name={s} />)}</span></Fact>
        </dl>
      </Panel>
      <StackPanel uuid={row.uuid} />
      <BehaviourPanel uuid={row.uuid} />
      <IntelPanel uuid={row.uuid} />
      <Panel title="Way through the network">
        <ol className="way">
          {row.deckies.slice(0, 40).map((d) => <li key={d}><Decky id={d} /></li>)}
          {row.deckies.length > 40 && <li className="muted">and {row.deckies.length - 40} more</li>}
        </ol>
      </Panel>
      <Panel title="Fingerprints">
        {row.fingerprints.length === 0 ? <p className="muted small">None: this client said too little to be recognised.</p> : (
          <dl className="facts stacked">
            {row.fingerprints.slice(0, 20).map((f, n) => <Fact key={n} name={KNOWN[str(f['kind'])] ?? str(f['kind'])}><Captured text={str(f['value'] ?? f)} limit={160} className="small" /></Fact>)}
          </dl>
        )}
      </Panel>
    </>
  );
}

export { Ip };
