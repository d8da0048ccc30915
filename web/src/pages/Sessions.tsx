/** Every conversation, newest first. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { sessions } from '../api/queries';
import type { SessionRow } from '../api/types';
import { count, deckyName, duration, many, size } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { usePaged } from '../lib/paged';
import { Button, Empty, Mark } from '../parts/Basics';
import { Clapperboard, X } from '../parts/icons';
import { DeckySelect } from '../parts/Selects';
import { Table, type Column } from '../parts/Table';
import { Decky, Ip, Service, When } from '../parts/Text';
import { endOf } from './Session';

export const SESSION_COLUMNS: Column<SessionRow>[] = [
  { id: 'start', head: 'Began', width: '112px', cell: (r) => <When at={r.started_at} form="moment" />, value: (r) => r.started_at },
  { id: 'attacker', head: 'Attacker', width: 'minmax(130px, 1fr)', cell: (r) => <Ip ip={r.attacker_ip} />, value: (r) => r.attacker_ip },
  { id: 'decky', head: 'Decky', width: 'minmax(100px, 1fr)', cell: (r) => <Decky id={r.decky} />, value: (r) => r.decky },
  { id: 'service', head: 'Service', width: '78px', cell: (r) => <Service name={r.service} />, value: (r) => r.service },
  { id: 'state', head: 'State', width: '130px', cell: (r) => r.ended_at === null || r.ended_at === undefined ? <Mark tone={r.logged_in ? 'alarm' : 'warn'}>{r.logged_in ? 'Open, inside' : 'Open'}</Mark> : r.logged_in ? <Mark tone="warn">Got in</Mark> : <span className="muted">{endOf(r)}</span>, value: (r) => endOf(r) },
  { id: 'length', head: 'Length', width: '84px', num: true, cell: (r) => duration(r.duration_us), value: (r) => r.duration_us },
  { id: 'creds', head: 'Credentials', width: '78px', num: true, cell: (r) => r.credential_count || <span className="faint">0</span>, value: (r) => r.credential_count },
  { id: 'commands', head: 'Commands', width: '78px', num: true, cell: (r) => r.command_count || <span className="faint">0</span>, value: (r) => r.command_count },
  { id: 'files', head: 'Files', width: '46px', num: true, cell: (r) => r.file_count || <span className="faint">0</span>, value: (r) => r.file_count },
  { id: 'in', head: 'Received', width: '78px', num: true, cell: (r) => size(r.bytes_in), value: (r) => r.bytes_in },
  { id: 'replay', head: 'Replay', width: '80px', cell: (r) => r.recording ? <span className="mark accent"><Clapperboard className="icon" size={14} aria-hidden />yes</span> : <span className="faint">no</span>, value: (r) => r.recording },
];

export function Sessions() {
  useTitle('Sessions');
  const search = useSearch({ from: '/sessions' });
  const navigate = useNavigate({ from: '/sessions' });
  const ask = useMemo(() => ({ attacker_ip: search.ip, decky: search.decky, recorded: search.recorded === 'true' ? true : undefined }), [search.ip, search.decky, search.recorded]);
  const make = useCallback((page: { limit: number; offset: number }) => sessions(ask, page), [ask]);
  const rows = usePaged<SessionRow>(make as never);
  useKey('r', rows.again);
  const open = useCallback((row: SessionRow) => void navigate({ to: '/sessions/$sid', params: { sid: row.sid } }), [navigate]);
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Sessions</h1></div>
        <div className="tools grow">
          <DeckySelect value={search.decky} set={(decky) => void navigate({ search: (s) => ({ ...s, decky }) })} />
          <label className="row small"><input className="tick" type="checkbox" checked={search.recorded === 'true'} onChange={(e) => void navigate({ search: (s) => ({ ...s, recorded: e.target.checked ? 'true' : undefined }) })} /> Only with a replay</label>
          {search.ip !== undefined && <Button look="plain" onClick={() => void navigate({ search: (s) => ({ ...s, ip: undefined }) })}>of {search.ip} <X size={14} aria-hidden /></Button>}
        </div>
        <div className="actions"><Button onClick={rows.again} aria-keyshortcuts="r">Show what is new</Button></div>
      </header>
      <div className="split">
        <Table
          name="sessions" label="Sessions" rows={rows} columns={SESSION_COLUMNS} keyOf={(r) => r.sid} open={open} exportAs="sessions" noun={['session', 'sessions']}
          card={(r) => (
            <>
              <span className="row spread"><Ip ip={r.attacker_ip} /><When at={r.started_at} form="moment" /></span>
              <span className="row spread small muted"><span className="clip">{deckyName(r.decky)} {r.service} · {r.logged_in ? 'got in, ' : ''}{many(r.command_count, 'command')}</span><span>{r.recording ? 'replay' : duration(r.duration_us)}</span></span>
            </>
          )}
          empty={<Empty title={Object.values(ask).some((v) => v !== undefined) ? 'No session fits.' : 'No session yet.'}>Every connection to a decky is a session; terminals among them can be replayed.</Empty>}
        />
      </div>
    </main>
  );
}

export { count };
