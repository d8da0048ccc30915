/** One conversation: the replay if there is one, and everything that was seen in it. */
import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { send } from '../api/client';
import { session, sessionEvents } from '../api/queries';
import type { LogRow, SessionRow } from '../api/types';
import type { Cast } from '../lib/cast';
import { readCast, timecode } from '../lib/cast';
import { kindOfRow, WHY } from '../lib/events';
import { count, deckyName, duration, full, many, size } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { saveBlob } from '../lib/save';
import { useTranscript } from '../api/transcript';
import { Button, Empty, Failed, Ghosts, Mark, Panel } from '../parts/Basics';
import { EventDrawer, gist, KindIcon } from '../parts/Event';
import { Download } from '../parts/icons';
import type { Moment } from '../parts/Player';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';
import { sayFailed } from '../parts/toast';

const Player = lazy(() => import('../parts/Player').then((m) => ({ default: m.Player })));

export function endOf(s: SessionRow): string {
  if (s.ended_at === null || s.ended_at === undefined) return 'still open';
  return s.why === null || s.why === undefined ? 'ended' : (WHY[s.why] ?? s.why);
}

const KINDS: Record<string, Moment['kind']> = { command: 'command', file_captured: 'file', message_stored: 'file', auth_attempt: 'key', url_seen: 'url' };

/** Where the recording begins: its own end mark is more exact than the header's whole second. */
function beginning(cast: Cast, events: LogRow[], started: string): number {
  const end = events.find((e) => e.event_type === 'session_recorded');
  const us = end?.fields['duration_us'];
  if (end !== undefined && typeof us === 'number') return Date.parse(end.timestamp) - us / 1000;
  return cast.starts ?? Date.parse(started);
}

export function Session() {
  const { sid } = useParams({ from: '/sessions/$sid' });
  const { t } = useSearch({ from: '/sessions/$sid' });
  const s = useQuery(session(sid));
  const events = useQuery(sessionEvents(sid, { limit: 1000, offset: 0 }));
  useTitle(s.data === undefined ? 'Session' : `${s.data.attacker_ip} on ${deckyName(s.data.decky)}`);
  const row = s.data;
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title">
          <nav className="crumbs" aria-label="Where this is"><Link to="/attackers">Attackers</Link> › {row === undefined ? '…' : <Ip ip={row.attacker_ip} />}</nav>
          <h1>{row === undefined ? 'Session' : <>Session on <Decky id={row.decky} /> <Service name={row.service} deep /></>}</h1>
          {row !== undefined && <p className="sub"><When at={row.started_at} form="full" /> · {row.ended_at === null || row.ended_at === undefined ? 'still open' : `lasted ${duration(row.duration_us)}, ended because ${endOf(row)}`}</p>}
        </div>
        <div className="actions">
          {row?.logged_in === true && <Mark tone={row.ended_at === null || row.ended_at === undefined ? 'alarm' : 'warn'}>A password opened an account</Mark>}
          {row?.recording !== null && row?.recording !== undefined && <CastButton row={row} />}
        </div>
      </header>
      {s.error !== null && <Failed error={s.error} retry={() => void s.refetch()} />}
      {row === undefined ? (s.error === null && <Ghosts lines={8} />) : (
        <>
          {row.recording !== null && row.recording !== undefined
            ? <Replay row={row} events={events.data?.data ?? []} startAt={Number(t ?? 0) || 0} />
            : <p className="muted small">{row.ended_at === null || row.ended_at === undefined ? 'The recording can be replayed once the session has ended. Its events are below as they come.' : 'No terminal was used in this session, so there is nothing to replay. Its events are below.'}</p>}
          <div className="two">
            <Panel title="Everything that was seen" flush actions={<span className="tiny muted pad-right">{events.data !== undefined && many(events.data.total, 'event')}</span>}>
              {events.error !== null ? <div style={{ padding: 16 }}><Failed error={events.error} retry={() => void events.refetch()} /></div> : events.data === undefined ? <div style={{ padding: 16 }}><Ghosts /></div> : <EventList rows={events.data.data} total={events.data.total} start={row.started_at} />}
            </Panel>
            <Panel title="Session">
              <dl className="facts">
                <dt>Attacker</dt><dd><Ip ip={row.attacker_ip} />{row.src_port !== null && row.src_port !== undefined && <span className="faint mono"> :{row.src_port}</span>}</dd>
                <dt>Decky</dt><dd><Decky id={row.decky} />{row.dst_port !== null && row.dst_port !== undefined && <span className="faint mono"> :{row.dst_port}</span>}</dd>
                <dt>Began</dt><dd>{full(row.started_at)}</dd>
                <dt>Ended</dt><dd>{row.ended_at === null || row.ended_at === undefined ? 'still open' : <>{full(row.ended_at)}<div className="faint">{endOf(row)}</div></>}</dd>
                <dt>Sent to us</dt><dd>{size(row.bytes_in)}</dd>
                <dt>Sent back</dt><dd>{size(row.bytes_out)}</dd>
                <dt>Commands</dt><dd>{count(row.command_count)}</dd>
                <dt>Credentials</dt><dd>{count(row.credential_count)}</dd>
                <dt>Files</dt><dd>{count(row.file_count)}</dd>
                {row.recording_truncated && <><dt>Recording</dt><dd>stopped at its limit; the events go on</dd></>}
                <dt>Id</dt><dd className="mono tiny faint">{row.sid}</dd>
              </dl>
            </Panel>
          </div>
        </>
      )}
    </main>
  );
}

function CastButton({ row }: { row: SessionRow }) {
  return (
    <Button onClick={() => {
      send('GET', `/transcripts/${encodeURIComponent(row.decky)}/${row.sid}/cast`).then((r) => r.blob()).then((b) => saveBlob(`${row.sid}.cast`, b)).catch(sayFailed);
    }}>
      <Download size={14} aria-hidden /> asciicast
    </Button>
  );
}

function Replay({ row, events, startAt }: { row: SessionRow; events: LogRow[]; startAt: number }) {
  const t = useTranscript(row.decky, row.sid);
  const cast = useMemo(() => (t.done ? readCast(t.header, t.events) : null), [t.done, t.header, t.events]);
  const moments = useMemo(() => {
    if (cast === null) return [];
    const zero = beginning(cast, events, row.started_at);
    return events.filter((e) => KINDS[e.event_type] !== undefined).map((e): Moment => ({
      id: e.id, kind: KINDS[e.event_type] ?? 'note', text: gist(e), at: Math.max(0, Math.min(cast.duration, (Date.parse(e.timestamp) - zero) / 1000)),
    })).sort((a, b) => a.at - b.at);
  }, [cast, events, row.started_at]);
  const [here, setHere] = useState<number | null>(null);
  const [jump, setJump] = useState<{ at: number; n: number } | null>(null);
  const go = useCallback((at: number) => setJump((j) => ({ at, n: (j?.n ?? 0) + 1 })), []);
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const line = list.current?.querySelector<HTMLElement>('[aria-current]');
    const box = list.current;
    if (line === null || line === undefined || box === null || box.matches(':hover, :focus-within')) return;
    box.scrollTop = line.offsetTop - box.clientHeight / 2;
  }, [here]);
  if (t.error !== null) return <Failed error={t.error} retry={t.again} />;
  if (cast === null) return <div className="term-box waiting"><span className="muted small">Fetching the recording{t.total > 0 && `, ${count(t.events.length)} of ${count(t.total)}`}…</span></div>;
  if (cast.events.length === 0) return <Empty slim title="The recording is empty.">Nothing was printed on this terminal.</Empty>;
  return (
    <section className="replay" aria-label="Replay">
      <Suspense fallback={<div className="term-box waiting"><span className="muted small">Fetching the player…</span></div>}>
        <Player cast={cast} moments={moments} start={startAt} onMoment={setHere} jump={jump} label={`Terminal of ${row.attacker_ip} on ${deckyName(row.decky)}`} />
      </Suspense>
      <div className="replay-list">
        <h2>Moments</h2>
        {moments.length === 0 ? <p className="muted small">No command, file or login in this recording.</p> : (
          <ol ref={list}>
            {moments.map((m) => (
              <li key={m.id} aria-current={m.id === here ? 'true' : undefined}>
                <button type="button" onClick={() => go(m.at)} title={`Go to ${timecode(m.at)}`}>
                  <span className="mono tiny faint">{timecode(m.at)}</span>
                  <KindIcon icon={m.kind === 'url' ? 'url' : m.kind} size={14} />
                  <Captured one text={m.text} />
                </button>
              </li>
            ))}
          </ol>
        )}
        {t.truncated && <p className="tiny muted">The recording stopped at its limit.</p>}
      </div>
    </section>
  );
}

function EventList({ rows, total, start }: { rows: LogRow[]; total: number; start: string }) {
  const [open, setOpen] = useState<LogRow | null>(null);
  const zero = Date.parse(start);
  return (
    <>
      <ol className="moments">
        {rows.map((row) => {
          const kind = kindOfRow(row);
          return (
            <li key={row.id} className={kind.weight}>
              <button type="button" onClick={() => setOpen(row)}>
                <span className="mono tiny faint" title={full(row.timestamp)}>+{timecode((Date.parse(row.timestamp) - zero) / 1000)}</span>
                <span className={`kind ${kind.weight}`}><KindIcon icon={kind.icon} size={14} />{kind.word}</span>
                <Captured one text={gist(row)} className={kind.weight === 'quiet' ? 'muted' : ''} />
              </button>
            </li>
          );
        })}
      </ol>
      {rows.length === 0 && <Empty slim title="No events.">They may have been purged.</Empty>}
      {total > rows.length && <p className="small muted" style={{ padding: '10px 16px' }}>The first {count(rows.length)} of {count(total)}. <Link className="link" to="/live" search={{ q: `session_id:${rows[0]?.session_id ?? ''}`, span: 'all' }}>All of them</Link></p>}
      {open !== null && <div className="float-drawer"><EventDrawer row={open} close={() => setOpen(null)} /></div>}
    </>
  );
}
