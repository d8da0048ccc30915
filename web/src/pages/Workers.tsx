/** What runs in the background, and the switches. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ask } from '../api/client';
import { health, version, workers } from '../api/queries';
import { useIsAdmin } from '../api/session';
import type { StartAll, Worker } from '../api/types';
import { count, duration } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { Button, Empty, Failed, Ghosts, Mark, Modal, Panel, type Tone, ScrollX } from '../parts/Basics';
import { Play } from '../parts/icons';
import { When } from '../parts/Text';
import { say, sayFailed } from '../parts/toast';

const STATUS: Record<string, { tone: Tone; word: string }> = { ok: { tone: 'good', word: 'Runs' }, stale: { tone: 'alarm', word: 'Silent' }, stopped: { tone: 'warn', word: 'Stopped' }, installed: { tone: 'warn', word: 'Installed, not running' }, unknown: { tone: 'quiet', word: 'Not heard of' } };
const DOES: Record<string, string> = {
  bus: 'tells the others that something changed', fleet: 'makes the deckies and keeps them running', record: 'writes what deckies saw into the database', profile: 'sums up each attacker', reconciler: 'compares what should exist with what is there', mutator: 'lets deckies change with time', api: 'answers this page',
};

function look(w: Worker): { tone: Tone; word: string } {
  if (w.status === 'ok' && w.state === 'failing') return { tone: 'alarm', word: 'Fails' };
  if (w.status === 'ok' && w.state === 'waiting') return { tone: 'good', word: 'Waits for work' };
  return STATUS[w.status] ?? { tone: 'quiet', word: w.status };
}

export function Workers() {
  useTitle('Workers');
  const q = useQuery(workers());
  const h = useQuery(health());
  const v = useQuery(version());
  const admin = useIsAdmin();
  const client = useQueryClient();
  const [stopping, setStopping] = useState<string | null>(null);
  const again = (): void => {
    setTimeout(() => void client.invalidateQueries({ queryKey: ['workers'] }), 600);
  };
  const order = useMutation({
    mutationFn: ({ name, action }: { name: string; action: 'start' | 'stop' }) => ask('POST', `/workers/${encodeURIComponent(name)}/${action}`),
    onSuccess: (_, { name, action }) => { say(`${name} was asked to ${action}. Its state shows when it has.`); again(); },
    onError: sayFailed,
  });
  const all = useMutation({
    mutationFn: () => ask<StartAll>('POST', '/workers/start-all'),
    onSuccess: (r) => {
      say(r.failed.length > 0 ? `Not started: ${r.failed.map((f) => `${f.name} (${f.reason})`).join(', ')}` : r.started.length > 0 ? `Asked to start: ${r.started.join(', ')}` : 'All of them run already.', r.failed.length > 0);
      again();
    },
    onError: sayFailed,
  });
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Workers</h1></div>
        <div className="actions"><Button disabled={!admin || all.isPending} title={admin ? undefined : 'Only administrators'} onClick={() => all.mutate()}><Play size={14} aria-hidden /> Start all</Button></div>
      </header>
      {q.data !== undefined && !q.data.bus_connected && <div className="failed"><Mark tone="warn">The bus is away</Mark><span className="muted">Workers go on by their slow tick; they cannot be asked to start or stop until it is back.</span></div>}
      <Panel flush>
        {q.error !== null && q.data === undefined ? <div style={{ padding: 16 }}><Failed error={q.error} retry={() => void q.refetch()} /></div> : q.data === undefined ? <div style={{ padding: 16 }}><Ghosts lines={6} /></div>
          : q.data.workers.length === 0 ? <Empty title="No worker is known." /> : (
            <ScrollX label="Workers">
              <table className="plain-table workers">
                <thead><tr><th>Worker</th><th>State</th><th>Heard of</th><th className="right">Behind</th><th className="right">Done</th><th className="right">Errors</th><th className="right">Restarts</th><th><span className="sr">Switch</span></th></tr></thead>
                <tbody>
                  {q.data.workers.map((w) => {
                    const s = look(w);
                    return (
                      <tr key={w.name}>
                        <td><b>{w.name}</b><div className="tiny muted">{DOES[w.name] ?? ''}</div>{w.detail !== '' && <div className="tiny captured worker-detail">{w.detail}</div>}</td>
                        <td><Mark tone={s.tone}>{s.word}</Mark>{w.pid !== null && w.pid !== undefined && <div className="tiny faint">process {w.pid}</div>}</td>
                        <td><When at={w.last_heartbeat} /></td>
                        <td className="right">{count(w.lag)}</td>
                        <td className="right">{count(w.done)}</td>
                        <td className="right">{w.errors > 0 ? <span className="mark warn">{count(w.errors)}</span> : 0}</td>
                        <td className="right">{count(w.restarts)}</td>
                        <td className="right">
                          {w.name === 'api' || w.name === 'bus' ? <span className="tiny faint">carries this page</span> : w.name === 'fleet' && w.status === 'ok' ? <span className="tiny faint">holds the deckies</span> : w.status === 'stopped' || w.status === 'unknown' || w.status === 'installed' || (w.status === 'stale')
                            ? <Button disabled={!admin || order.isPending} onClick={() => order.mutate({ name: w.name, action: 'start' })} aria-label={`Start ${w.name}`}>Start</Button>
                            : <Button look="danger" disabled={!admin || order.isPending} onClick={() => setStopping(w.name)} aria-label={`Stop ${w.name}`}>Stop</Button>}
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </ScrollX>
          )}
      </Panel>
      <Panel title="Parts">
        {h.data === undefined ? (h.error !== null ? <Failed error={h.error} retry={() => void h.refetch()} /> : <Ghosts lines={3} />) : (
          <ul className="health">
            {Object.entries(h.data.components).filter(([name]) => !name.startsWith('worker:')).map(([name, part]) => (
              <li key={name}><span className="cap">{name}</span><span className="muted">{part.detail}</span><Mark tone={({ ok: 'good', warning: 'warn', failing: 'alarm', absent: 'quiet' } as const)[part.status]}>{({ ok: 'works', warning: 'not as it should', failing: 'fails', absent: 'not part of this' } as const)[part.status]}</Mark></li>
            ))}
          </ul>
        )}
        {v.data !== undefined && <p className="tiny faint" style={{ marginTop: 12 }}>decnet {v.data.version} on {v.data.database}, up for {duration(v.data.uptime_seconds * 1e6)}</p>}
      </Panel>
      {stopping !== null && (
        <Modal title={`Stop ${stopping}?`} onClose={() => setStopping(null)}>
          <p>{stopping === 'record' ? 'Deckies go on capturing to disk, but nothing new reaches the database or this page until it is started again. Nothing is lost.' : `What ${stopping} does waits until it is started again. Capture goes on.`}</p>
          <div className="ends">
            <Button onClick={() => setStopping(null)}>Leave it</Button>
            <Button look="danger" autoFocus onClick={() => { order.mutate({ name: stopping, action: 'stop' }); setStopping(null); }}>Stop {stopping}</Button>
          </div>
        </Modal>
      )}
    </main>
  );
}
