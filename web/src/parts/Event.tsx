/** One recorded event: as a line, and in full. */
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode } from 'react';
import type { LogRow } from '../api/types';
import { kindOf, kindOfRow, SECRET_KINDS } from '../lib/events';
import { full, utc } from '../lib/format';
import { Button, CopyButton } from './Basics';
import { Activity, Clapperboard, DoorOpen, Dot, FileDown, Fingerprint, Globe, KeyRound, Link2, LogOut, Mail, Plug, SquareTerminal, X } from './icons';
import { Captured, Decky, Ip, Service, When } from './Text';

const ICONS = { contact: Plug, end: LogOut, print: Fingerprint, key: KeyRound, open: DoorOpen, command: SquareTerminal, request: Globe, file: FileDown, url: Link2, replay: Clapperboard, mail: Mail, note: Dot };

export function KindIcon({ icon, size = 15 }: { icon: string; size?: number }) {
  const Icon = ICONS[icon as keyof typeof ICONS] ?? Activity;
  return <Icon className="icon" size={size} strokeWidth={1.8} aria-hidden />;
}

/** Icon and word of an event. */
export function KindMark({ type, outcome }: { type: string; outcome?: unknown }) {
  const kind = kindOf(type, outcome);
  return (
    <span className={`kind ${kind.weight}`}>
      <KindIcon icon={kind.icon} />
      {kind.word}
    </span>
  );
}

const str = (v: unknown): string => (typeof v === 'string' ? v : v === null || v === undefined ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v));

/** The attacker's part of an event, shortest useful form; empty if there is none. */
export function gist(row: Pick<LogRow, 'event_type' | 'fields' | 'msg'>): string {
  const f = row.fields;
  switch (row.event_type) {
    case 'command': return str(f['command']);
    case 'auth_attempt': {
      // What answers a challenge is no text.
      const kind = str(f['secret_kind']);
      return ['plaintext', 'http_bearer', ''].includes(kind) ? `${str(f['principal'])} / ${str(f['secret_printable'])}` : `${str(f['principal'])} with ${SECRET_KINDS[kind] ?? kind.replaceAll('_', ' ')}`;
    }
    case 'request': return `${str(f['method'])} ${str(f['path'])} → ${str(f['status'])}`;
    case 'file_captured': return str(f['path']);
    case 'url_seen': return str(f['url']);
    case 'message_stored': return str(f['subject']) || str(f['mail_from']);
    case 'ssh_client': return str(f['banner']);
    default: return row.msg;
  }
}

/** A line of a feed. */
export const FeedLine = memo(function FeedLine({ row, source = true }: { row: LogRow; source?: boolean }) {
  const kind = kindOfRow(row);
  return (
    <Link className={`feed-line ${kind.weight}`} to="/live" search={{ event: `${row.id}@${row.timestamp}`, span: 'all', q: row.attacker_ip === '' ? undefined : `attacker:${row.attacker_ip}` }} preload={false}>
      <KindIcon icon={kind.icon} />
      <span className="feed-main">
        <span className="feed-top">
          <span className="feed-word">{kind.word}</span>
          {source && <Ip ip={row.attacker_ip} plain />}
          <span className="faint clip">{row.decky.slice(row.decky.indexOf(':') + 1)} · {row.service}</span>
          <When at={row.timestamp} form="moment" />
        </span>
        {kind.weight !== 'quiet' && <Captured one text={gist(row)} />}
      </span>
    </Link>
  );
});

function Value({ value }: { value: unknown }): ReactNode {
  if (value === null || value === undefined) return <span className="faint">none</span>;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return <span className="mono">{value}</span>;
  if (typeof value === 'string') return <Captured text={value} limit={900} />;
  if (Array.isArray(value) && value.every((v) => Array.isArray(v) && v.length === 2)) {
    return (
      <span className="pairs">
        {value.map((pair: unknown[], n) => (
          <span key={n}><Captured className="muted" text={`${str(pair[0])}: `} /><Captured text={str(pair[1])} limit={300} /></span>
        ))}
      </span>
    );
  }
  return <Captured text={JSON.stringify(value, null, 1)} limit={900} />;
}

export function Fields({ fields }: { fields: Record<string, unknown> }) {
  const all = Object.entries(fields);
  if (all.length === 0) return <p className="muted small">This event carries nothing else.</p>;
  return (
    <dl className="facts">
      {all.map(([key, value]) => (
        <FieldLine key={key} name={key} value={value} />
      ))}
    </dl>
  );
}

function FieldLine({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <dt><Captured text={name.replaceAll('_', ' ')} /></dt>
      <dd><Value value={value} /></dd>
    </>
  );
}

/** Everything about one event, beside the list. */
export function EventDrawer({ row, close }: { row: LogRow; close: () => void }) {
  const kind = kindOfRow(row);
  return (
    <aside className="drawer" aria-label="Event">
      <header>
        <h2 className={`kind ${kind.weight}`}><KindIcon icon={kind.icon} /> {kind.word}</h2>
        <span className="grow" />
        <CopyButton text={JSON.stringify(row, null, 1)} what="this event as JSON" />
        <Button look="plain" square aria-label="Close the detail" onClick={close}><X size={16} aria-hidden /></Button>
      </header>
      <div className="body">
        <p><Captured text={row.msg} limit={1500} /></p>
        <dl className="facts">
          <dt>When</dt>
          <dd>{full(row.timestamp)}<div className="faint tiny mono">{utc(row.timestamp)}</div></dd>
          <dt>Attacker</dt>
          <dd><Ip ip={row.attacker_ip} />{row.src_port !== null && row.src_port !== undefined && <span className="faint mono"> :{row.src_port}</span>}</dd>
          <dt>Decky</dt>
          <dd><Decky id={row.decky} />{row.dst_port !== null && row.dst_port !== undefined && <span className="faint mono"> :{row.dst_port}</span>}</dd>
          <dt>Service</dt>
          <dd><Service name={row.service} /></dd>
          <dt>Type</dt>
          <dd className="mono small">{row.event_type}</dd>
          {row.session_id !== null && row.session_id !== undefined && (
            <>
              <dt>Session</dt>
              <dd><Link className="link mono small" to="/sessions/$sid" params={{ sid: row.session_id }}>{row.session_id}</Link></dd>
            </>
          )}
        </dl>
        <section className="stack">
          <h3>What it carries</h3>
          <Fields fields={row.fields} />
        </section>
        <p className="faint tiny mono">event {row.event_uuid} · row {row.id}</p>
      </div>
    </aside>
  );
}
