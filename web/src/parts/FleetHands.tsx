/** What an operator does to the fleet and to one decky of it. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ask } from '../api/client';
import { useIsAdmin } from '../api/session';
import type { FleetDeckyRow, FleetReport } from '../api/types';
import { told } from '../lib/fleet';
import { Button, Modal, Panel, ScrollX } from './Basics';
import { say, sayFailed } from './toast';

type Order = { method: 'POST' | 'PUT' | 'DELETE'; path: string; body?: unknown };

/** Sends an order to the fleet, tells what became of it, and looks at the deckies again. */
function useOrder(done?: (r: FleetReport) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ method, path, body }: Order) => ask<FleetReport>(method, path, body === undefined ? {} : { body }),
    onSuccess: (r) => {
      const { text, bad } = told(r);
      say(text, bad);
      void client.invalidateQueries({ queryKey: ['deckies'] });
      done?.(r);
    },
    onError: sayFailed,
  });
}

const EXAMPLE = `[decky.web]
archetype = "web-server"
amount = 3

[decky.db-01]
services = ["mysql", "ssh"]
`;

/** Buttons above the fleet: deploy a file, repair. */
export function FleetTools() {
  const admin = useIsAdmin();
  const [open, setOpen] = useState(false);
  const repair = useOrder();
  const why = admin ? undefined : 'Only administrators';
  return (
    <>
      <Button disabled={!admin || repair.isPending} title={why ?? 'Makes what should exist and does not, takes away what should not'} onClick={() => repair.mutate({ method: 'POST', path: '/deckies/reconcile', body: { repair: true } })}>Repair</Button>
      <Button look="primary" disabled={!admin} title={why} onClick={() => setOpen(true)}>Deploy</Button>
      {open && <DeployForm close={() => setOpen(false)} />}
    </>
  );
}

function DeployForm({ close }: { close: () => void }) {
  const [text, setText] = useState(EXAMPLE);
  const [replace, setReplace] = useState(false);
  const [plan, setPlan] = useState<{ of: string; rows: string[][]; warnings: string[] } | null>(null);
  const check = useMutation({
    mutationFn: () => ask<FleetReport>('POST', '/deckies/deploy', { body: { text, replace, dry_run: true } }),
    onSuccess: (r) => setPlan({ of: text, rows: r.plan, warnings: r.warnings }),
    onError: sayFailed,
  });
  const deploy = useOrder((r) => { if (r.failed.length === 0) close(); });
  const checked = plan !== null && plan.of === text;
  return (
    <Modal title="Deploy deckies" onClose={close} className="wide">
      <div className="stack">
        <label className="stack"><span className="small muted">A configuration, TOML or INI. What is there already and unchanged is not touched.</span>
          <textarea className="input mono" rows={12} spellCheck={false} value={text} onChange={(e) => setText(e.target.value)} aria-label="Configuration" style={{ height: 'auto', padding: '8px 10px', lineHeight: 1.45 }} />
        </label>
        <label className="row small"><input type="checkbox" checked={replace} onChange={(e) => setReplace(e.target.checked)} /> Take away every decky that it does not name</label>
        {checked && (
          <ScrollX label="Plan">
            <table className="plain-table"><thead><tr><th>Decky</th><th>Archetype</th><th>Services</th><th>System</th><th>Stack</th><th>Address</th></tr></thead>
              <tbody>{plan.rows.slice(0, 50).map((r) => <tr key={r[0]}>{r.slice(0, 6).map((c, n) => <td key={n}>{c}</td>)}</tr>)}</tbody>
            </table>
            {plan.rows.length > 50 && <p className="tiny muted">and {plan.rows.length - 50} more</p>}
            {plan.warnings.map((w) => <p key={w} className="small muted">{w}</p>)}
          </ScrollX>
        )}
      </div>
      <div className="ends">
        <Button onClick={close}>Leave it</Button>
        <Button disabled={check.isPending} onClick={() => check.mutate()}>Check</Button>
        <Button look={replace ? 'danger' : 'primary'} disabled={!checked || deploy.isPending} title={checked ? undefined : 'Check it first'} onClick={() => deploy.mutate({ method: 'POST', path: '/deckies/deploy', body: { text, replace } })}>{deploy.isPending ? 'Being made…' : `Deploy ${checked ? plan.rows.length : ''}`}</Button>
      </div>
    </Modal>
  );
}

/** What can be done to one decky of this host. */
export function DeckyTools({ row, services }: { row: FleetDeckyRow; services: string[] }) {
  const admin = useIsAdmin();
  const [service, setService] = useState('');
  const [minutes, setMinutes] = useState('');
  const [leaving, setLeaving] = useState(false);
  const order = useOrder();
  const at = `/deckies/${encodeURIComponent(`${row.host_uuid}:${row.name}`)}`;
  const off = !admin || order.isPending || row.host_uuid !== 'local';
  const every = row.decky_config['mutate_interval'];
  const absent = services.filter((s) => !row.services.includes(s));
  return (
    <Panel title="Change it">
      <div className="stack">
        <form className="row wrap" onSubmit={(e) => { e.preventDefault(); if (service !== '') order.mutate({ method: 'POST', path: `${at}/services`, body: { service } }); }}>
          <input className="input" list="services-of-this-build" value={service} onChange={(e) => setService(e.target.value.trim())} placeholder="A service" aria-label="Service to add" style={{ maxWidth: 160 }} />
          <datalist id="services-of-this-build">{absent.map((s) => <option key={s} value={s} />)}</datalist>
          <Button type="submit" disabled={off || service === ''}>Add service</Button>
        </form>
        {row.services.length > 1 && <div className="row wrap">{row.services.map((s) => <Button key={s} look="plain" disabled={off} aria-label={`Take ${s} away`} onClick={() => order.mutate({ method: 'DELETE', path: `${at}/services/${encodeURIComponent(s)}` })}>{s} ×</Button>)}</div>}
        <div className="row wrap">
          <Button disabled={off} title="A service more or less, or updated and booted again; waits until visitors have left" onClick={() => order.mutate({ method: 'POST', path: `${at}/mutate`, body: {} })}>Mutate</Button>
          <form className="row" onSubmit={(e) => { e.preventDefault(); order.mutate({ method: 'PUT', path: `${at}/mutate-interval`, body: { minutes: minutes === '' ? null : Number(minutes) } }); }}>
            <input className="input" type="number" min={1} max={525600} value={minutes} onChange={(e) => setMinutes(e.target.value)} placeholder={typeof every === 'number' ? `every ${every} min` : 'never by itself'} aria-label="Minutes between mutations; empty: never" style={{ maxWidth: 150 }} />
            <Button type="submit" disabled={off}>Set</Button>
          </form>
        </div>
        <div><Button look="danger" disabled={off} onClick={() => setLeaving(true)}>Tear down</Button></div>
      </div>
      {leaving && (
        <Modal title={`Tear ${row.name} down?`} onClose={() => setLeaving(false)}>
          <p>It leaves the network at once and its visitors are cut off. What was recorded stays.</p>
          <div className="ends">
            <Button onClick={() => setLeaving(false)}>Leave it</Button>
            <Button look="danger" autoFocus onClick={() => { order.mutate({ method: 'DELETE', path: at }); setLeaving(false); }}>Tear down</Button>
          </div>
        </Modal>
      )}
    </Panel>
  );
}
