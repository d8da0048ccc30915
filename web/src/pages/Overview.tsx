/** Three questions, top to bottom: is anyone here now, what have they done, is the network healthy. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef } from 'react';
import { useLive } from '../api/live';
import { attackers, deckies, health, histogram, recent, sessions, stats, workers } from '../api/queries';
import type { AttackerRow, LogRow, SessionRow, Stats } from '../api/types';
import { ago, count, deckyName, many, short } from '../lib/format';
import { useHeld, useTitle, useTouched } from '../lib/hooks';
import { useNow } from '../lib/now';
import { Bars } from '../parts/Bars';
import { Empty, Failed, Ghosts, Mark, Panel, type Tone } from '../parts/Basics';
import { FeedLine } from '../parts/Event';
import { ArrowRight, Check, CircleAlert, Hand } from '../parts/icons';
import { Captured, Ip, Services, When } from '../parts/Text';
import { Place } from './Attackers';

/** Seen within this many milliseconds counts as now. */
const NOW = 300_000;
/** Somebody who left this short a time ago is likely to be back with the next command. */
const JUST = 45_000;

export type Guest = { row: AttackerRow; depth: 'inside' | 'left' | 'trying' | 'looking'; since: string; open: SessionRow[] };

/** Who is here, deepest first. */
export function guestsOf(rows: AttackerRow[], talks: SessionRow[], now: number): Guest[] {
  const rank = { inside: 0, left: 1, trying: 2, looking: 3 };
  return rows
    .filter((row) => now - Date.parse(row.last_seen) < NOW)
    .map((row): Guest => {
      const recentTalks = talks.filter((t) => t.attacker_ip === row.ip && (t.ended_at === null || t.ended_at === undefined || now - Date.parse(t.ended_at) < NOW));
      const deep = recentTalks.filter((t) => t.logged_in || t.command_count > 0);
      const inside = deep.some((t) => t.ended_at === null || t.ended_at === undefined || now - Date.parse(t.ended_at) < JUST);
      const trying = recentTalks.some((t) => t.credential_count > 0);
      const since = recentTalks.map((t) => t.started_at).sort()[0] ?? row.last_seen;
      return { row, depth: inside ? 'inside' : deep.length > 0 ? 'left' : trying ? 'trying' : 'looking', since, open: recentTalks.filter((t) => t.ended_at === null || t.ended_at === undefined) };
    })
    .sort((a, b) => rank[a.depth] - rank[b.depth] || Date.parse(b.row.last_seen) - Date.parse(a.row.last_seen));
}

export function Overview() {
  useTitle('');
  return (
    <main className="page overview" id="main" tabIndex={-1}>
      <h1 className="sr">Overview</h1>
      <NowPanel />
      <div className="overview-grid">
        <div className="stack wide-gap">
          <TodayPanel />
          <NotablePanel />
        </div>
        <div className="stack wide-gap">
          <HealthPanel />
          <FeedPanel />
        </div>
      </div>
    </main>
  );
}

function NowPanel() {
  const now = useNow();
  const s = useQuery(stats());
  const rows = useQuery({ ...queryOptions(attackers({ sort_by: 'recent' }, { limit: 30, offset: 0 })), queryKey: ['here', 'attackers'], refetchInterval: 20_000 });
  const talks = useQuery({ ...sessions({}, { limit: 200, offset: 0 }), queryKey: ['here', 'sessions'], refetchInterval: 20_000 });
  const box = useRef<HTMLElement>(null);
  const touched = useTouched(box);
  const fresh = useMemo(() => guestsOf(rows.data?.data ?? [], talks.data?.data ?? [], now), [rows.data, talks.data, now]);
  const guests = useHeld(fresh, touched && fresh.length > 0);
  const inside = guests.filter((g) => g.depth === 'inside').length;
  const others = Math.max(s.data?.attackers_now ?? 0, guests.length) - inside;
  const last = rows.data?.data[0]?.last_seen ?? s.data?.last_seen ?? null;
  const ready = rows.data !== undefined && talks.data !== undefined;

  let sentence: string;
  let under: string;
  if (inside > 0) {
    sentence = inside === 1 ? 'Somebody is inside a decky now.' : `${count(inside)} are inside your deckies now.`;
    under = others > 0 ? `${others === 1 ? 'One other knocks' : `${count(others)} others knock`} at the doors. What they touch is decoy; watch what they look for.` : 'What they touch is decoy; watch what they look for.';
  } else if (others > 0) {
    sentence = 'Nobody is inside.';
    under = `${others === 1 ? 'One is' : `${count(others)} are`} knocking at the doors right now.`;
  } else if (last === null) {
    sentence = 'Nobody has been here yet.';
    under = 'The first packet that reaches a decky shows up here within a second.';
  } else {
    sentence = 'Nobody is in your network now.';
    under = `The last visitor left ${ago(last, now)}.`;
  }

  return (
    <section ref={box} className={`now ${inside > 0 ? 'alarm' : ''}`} aria-label="Is anyone in my network now?">
      <div className="now-head">
        <span className={`now-sign ${inside > 0 ? 'alarm' : others > 0 ? 'some' : 'calm'}`} aria-hidden>
          {inside > 0 ? <CircleAlert size={24} strokeWidth={1.9} /> : others > 0 ? <Hand size={22} strokeWidth={1.9} /> : <Check size={24} strokeWidth={2.1} />}
        </span>
        <div className="grow" role="status">
          {ready ? <p className="now-sentence">{sentence}</p> : rows.error !== null ? <p className="now-sentence">Not known: the server does not answer.</p> : <p className="now-sentence"><span className="ghost" style={{ width: 320, height: 22 }} /></p>}
          <p className="muted">{ready ? under : rows.error !== null ? 'Capture goes on without this page.' : ' '}</p>
        </div>
      </div>
      {guests.length > 0 && (
        <ul className="guests">
          {guests.slice(0, 8).map((g) => <GuestLine key={g.row.uuid} guest={g} />)}
        </ul>
      )}
      {others + inside > 8 && (
        <Link className="link small now-more" to="/attackers">All {count(others + inside)} of the last five minutes</Link>
      )}
    </section>
  );
}

const DEPTH: Record<Guest['depth'], { tone: Tone; word: string }> = {
  inside: { tone: 'alarm', word: 'Inside' }, left: { tone: 'warn', word: 'Was inside, left' }, trying: { tone: 'warn', word: 'Trying passwords' }, looking: { tone: 'quiet', word: 'Looking around' },
};

function GuestLine({ guest }: { guest: Guest }) {
  const { row, depth } = guest;
  const lastCommand = row.commands[0];
  return (
    <li className={`guest ${depth}`}>
      <span className="guest-who">
        <Ip ip={row.ip} />
        <span className="tiny muted clip"><Place row={row} /></span>
      </span>
      <Mark tone={DEPTH[depth].tone}>{DEPTH[depth].word}</Mark>
      <span className="guest-where clip" title={row.deckies.map(deckyName).join(' → ')}>
        {row.deckies.slice(-4).map(deckyName).join(' → ')}
      </span>
      <Services names={row.services} deep={row.interacted} max={2} />
      <span className="guest-last">{lastCommand !== undefined ? <Captured one text={lastCommand} /> : <span className="muted small">{many(row.event_count, 'event')}{row.credential_count > 0 && `, ${many(row.credential_count, 'credential')}`}</span>}</span>
      <When at={row.last_seen} />
      <Link className="guest-go" to="/attackers/$ip" params={{ ip: row.ip }} aria-label={`What ${row.ip} has done`}><ArrowRight size={16} aria-hidden /></Link>
    </li>
  );
}

function Fig({ n, word, to }: { n: number | undefined; word: string; to: string }) {
  return (
    <Link className="figure" to={to}>
      <b>{n === undefined ? <span className="ghost" style={{ width: 44, height: 19 }} /> : short(n)}</b>
      <span>{word}</span>
    </Link>
  );
}

function TodayPanel() {
  const s = useQuery(stats());
  const bars = useQuery(histogram({}, 'recent'));
  const d: Partial<Stats> = s.data ?? {};
  return (
    <Panel title="What they have done" actions={<span className="faint tiny pad-right">today is since midnight UTC</span>}>
      <div className="stack wide-gap">
        {s.error !== null && s.data === undefined ? <Failed error={s.error} retry={() => void s.refetch()} /> : (
          <div className="figures">
            <Fig n={d.attackers_today} word="attackers today" to="/attackers" />
            <Fig n={d.logs_today} word="events today" to="/live" />
            <Fig n={d.unique_attackers} word="attackers ever" to="/attackers" />
            <Fig n={d.total_sessions} word="sessions" to="/sessions" />
            <Fig n={d.total_credentials} word="credentials" to="/credentials" />
            <Fig n={d.total_artifacts} word="files" to="/files" />
          </div>
        )}
        <div>
          <p className="tiny muted" style={{ marginBottom: 6 }}>Events, last 24 hours</p>
          <Bars data={bars.data} height={92} label="Events in the last 24 hours" />
        </div>
      </div>
    </Panel>
  );
}

function NotablePanel() {
  const asks = ['event:auth_attempt outcome:success', 'event:file_captured', 'event:url_seen', 'event:command'];
  const a = useQuery(recent(asks[0] ?? '', 12));
  const b = useQuery(recent(asks[1] ?? '', 12));
  const c = useQuery(recent(asks[2] ?? '', 12));
  const e = useQuery(recent(asks[3] ?? '', 40));
  const box = useRef<HTMLDivElement>(null);
  const touched = useTouched(box);
  const fresh = useMemo(() => {
    const all: LogRow[] = [a, b, c, e].flatMap((r) => r.data?.data ?? []);
    // One line for each attacker and kind: a busy shell must not push the others out.
    const seen = new Set<string>();
    return all.sort((x, y) => y.id - x.id).filter((r) => {
      const key = `${r.attacker_ip} ${r.event_type} ${r.event_type === 'file_captured' ? String(r.fields['sha256']) : ''}`;
      return !seen.has(key) && seen.add(key);
    }).slice(0, 8);
  }, [a, b, c, e]);
  const rows = useHeld(fresh, touched);
  const loading = [a, b, c, e].some((r) => r.isPending);
  const failed = [a, b, c, e].find((r) => r.error !== null);
  return (
    <Panel title="Worth a look" flush actions={<Link className="btn plain" to="/live" search={{ q: 'event:command', span: '7d' }}>All commands</Link>}>
      <div ref={box} className="feed">
        {rows.map((row) => <FeedLine key={row.id} row={row} />)}
        {rows.length === 0 && (loading ? <div style={{ padding: 16 }}><Ghosts /></div> : failed !== undefined ? <div style={{ padding: 16 }}><Failed error={failed.error} /></div>
          : <Empty slim title="Nobody got further than the door.">Logins that worked, commands, files and download addresses appear here.</Empty>)}
      </div>
    </Panel>
  );
}

function HealthPanel() {
  const h = useQuery(health());
  const d = useQuery(deckies());
  const w = useQuery(workers());
  const parts = h.data?.components ?? {};
  const running = d.data?.data.filter((x) => x.state === 'running').length ?? 0;
  const total = d.data?.data.filter((x) => x.state !== 'torn_down').length ?? 0;
  const ill = d.data?.data.filter((x) => x.state === 'failed' || x.state === 'degraded') ?? [];
  const failed = ill.filter((x) => x.state === 'failed').length;
  const up = w.data?.workers.filter((x) => x.status === 'ok').length ?? 0;
  const down = w.data?.workers.filter((x) => x.status === 'stale' || x.state === 'failing') ?? [];
  const stopped = w.data?.workers.filter((x) => x.status === 'stopped') ?? [];
  const tone = (name: string): Tone => ({ ok: 'good', warning: 'warn', failing: 'alarm', absent: 'quiet' } as const)[parts[name]?.status ?? 'absent'];
  const word: Record<Tone, string> = { good: 'works', warn: 'not as it should', alarm: 'fails', quiet: 'not known' };
  const overall = h.data?.status;
  return (
    <Panel
      title="Is the network healthy?"
      actions={<span className="pad-right">{overall === undefined ? (h.error !== null ? <Mark tone="alarm">No answer</Mark> : null) : overall === 'healthy' ? <Mark tone="good">Healthy</Mark> : overall === 'degraded' ? <Mark tone="warn">Degraded</Mark> : <Mark tone="alarm">Unhealthy</Mark>}</span>}
    >
      {h.data === undefined && d.data === undefined ? (h.error !== null ? <Failed error={h.error} retry={() => void h.refetch()} /> : <Ghosts lines={4} />) : (
        <ul className="health">
          <li>
            <Link className="noun" to="/fleet">Deckies</Link>
            <span className="muted">{total === 0 ? 'none deployed' : `${count(running)} of ${count(total)} run`}</span>
            <Mark tone={failed > 0 ? 'alarm' : ill.length > 0 ? 'warn' : total === 0 ? 'quiet' : running < total ? 'warn' : 'good'}>{failed > 0 ? `${failed} failed` : ill.length > 0 ? `${ill.length} degraded` : total === 0 ? 'empty' : running < total ? 'starting' : 'works'}</Mark>
          </li>
          {ill.slice(0, 3).map((x) => (
            <li key={`${x.host_uuid}${x.name}`} className="sub"><Link className="noun" to="/fleet/$decky" params={{ decky: `${x.host_uuid}:${x.name}` }}>{x.name}</Link><span className="muted clip" title={x.last_error ?? ''}>{x.last_error ?? x.state}</span><span /></li>
          ))}
          <li>
            <Link className="noun" to="/workers">Workers</Link>
            <span className="muted">{w.data === undefined ? '' : up + down.length + stopped.length === 0 ? 'none heard of yet' : `${up} of ${w.data.workers.filter((x) => x.status !== 'unknown').length} run`}</span>
            <Mark tone={down.length > 0 ? 'alarm' : stopped.length > 0 ? 'warn' : up === 0 ? 'quiet' : 'good'}>{down.length > 0 ? `${down.length} down` : stopped.length > 0 ? `${stopped.length} stopped` : up === 0 ? 'not heard of' : 'works'}</Mark>
          </li>
          {down.slice(0, 3).map((x) => <li key={x.name} className="sub"><span>{x.name}</span><span className="muted clip" title={x.detail}>{x.detail || x.status}</span><span /></li>)}
          {['database', 'bus'].map((name) => (
            <li key={name}>
              <span className="cap">{name}</span>
              <span className="muted clip" title={parts[name]?.detail}>{parts[name]?.detail ?? ''}</span>
              <Mark tone={tone(name)}>{word[tone(name)]}</Mark>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function FeedPanel() {
  const live = useLive();
  const start = useQuery(recent('', 40));
  const box = useRef<HTMLDivElement>(null);
  const touched = useTouched(box);
  const all = useMemo(() => {
    const seen = new Set<number>();
    return [...live.rows.slice(0, 40), ...(start.data?.data ?? [])].filter((r) => !seen.has(r.id) && seen.add(r.id)).sort((a, b) => b.id - a.id).slice(0, 40);
  }, [live.rows, start.data]);
  const rows = useHeld(all, touched && all.length > 0);
  const waiting = (all[0]?.id ?? 0) - (rows[0]?.id ?? 0);
  return (
    <Panel
      title="Live" flush className="feed-panel"
      actions={<>{touched && waiting > 0 ? <span className="tiny muted">{many(waiting, 'new event')} waiting while you point here</span> : null}<Link className="btn plain" to="/live">All events</Link></>}
    >
      <div className="feed tall" ref={box} tabIndex={0} role="region" aria-label="Newest events">
        {rows.map((row) => <FeedLine key={row.id} row={row} />)}
        {rows.length === 0 && (start.isPending ? <div style={{ padding: 16 }}><Ghosts lines={6} /></div> : start.error !== null ? <div style={{ padding: 16 }}><Failed error={start.error} /></div> : <Empty slim title="Quiet.">Every event on a decky passes here as it happens.</Empty>)}
      </div>
    </Panel>
  );
}
