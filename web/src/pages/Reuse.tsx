/** Secrets that were tried in more than one place, rare ones first. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { reuse, reuseOne } from '../api/queries';
import type { CredentialRow, ReuseRow } from '../api/types';
import { count, full, many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { usePaged } from '../lib/paged';
import { Button, CopyButton, Empty, Failed, Ghosts, Mark, type Tone } from '../parts/Basics';
import { X } from '../parts/icons';
import { Table, type Column } from '../parts/Table';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';
import { secretText } from './Credentials';

/** What a rarity of 0 to 1000 amounts to. */
export function rarityOf(value: number): [string, Tone] {
  return value >= 700 ? ['rare', 'alarm'] : value >= 300 ? ['uncommon', 'warn'] : ['common', 'quiet'];
}

function Rarity({ value }: { value: number }) {
  const [word, tone] = rarityOf(value);
  return <Mark tone={tone} title={`${value} of 1000`}>{word}</Mark>;
}

const secret = (r: ReuseRow): string => secretText(r as unknown as CredentialRow);
const who = (r: ReuseRow): string => (r.scope === 'secret' ? many(r.principal_count, 'name') : r.principal ?? '');

export function Reuse() {
  useTitle('Reuse');
  const search = useSearch({ from: '/credentials/reuse' });
  const navigate = useNavigate({ from: '/credentials/reuse' });
  const make = useCallback((page: { limit: number; offset: number }) => reuse({}, page), []);
  const rows = usePaged<ReuseRow>(make as never);
  useKey('r', rows.again);
  const close = useCallback(() => void navigate({ search: {}, replace: true }), [navigate]);
  useKey('Escape', close);
  const open = useCallback((row: ReuseRow) => void navigate({ search: { finding: row.id }, replace: search.finding !== undefined }), [navigate, search.finding]);
  const columns: Column<ReuseRow>[] = useMemo(() => [
    { id: 'rarity', head: 'Rarity', width: '110px', cell: (r) => <Rarity value={r.rarity} />, value: (r) => r.rarity },
    { id: 'who', head: 'User', width: 'minmax(110px, 1fr)', cell: (r) => r.scope === 'secret' ? <span className="muted">{who(r)}</span> : r.principal ? <Captured one text={r.principal} /> : <span className="faint">none</span>, value: (r) => who(r) },
    { id: 'secret', head: 'Secret', width: 'minmax(150px, 1.6fr)', cell: (r) => <Captured one text={secret(r)} />, value: (r) => r.secret_printable },
    { id: 'targets', head: 'Targets', width: '74px', num: true, cell: (r) => count(r.target_count), value: (r) => r.target_count },
    { id: 'attackers', head: 'Attackers', width: '84px', num: true, cell: (r) => count(r.attacker_count), value: (r) => r.attacker_count },
    { id: 'first', head: 'First', width: '92px', cell: (r) => <When at={r.first_seen} />, value: (r) => r.first_seen },
    { id: 'last', head: 'Last', width: '92px', cell: (r) => <When at={r.last_seen} />, value: (r) => r.last_seen },
  ], []);
  const chosen = search.finding ?? null;
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><nav className="crumbs" aria-label="Where this is"><Link to="/credentials">Credentials</Link> ›</nav><h1>Reuse</h1></div>
      </header>
      <div className="split">
        <Table
          name="reuse" label="Secrets that came back" rows={rows} columns={chosen === null ? columns : columns.filter((c) => !['first', 'attackers'].includes(c.id))} keyOf={(r) => r.id} open={open} chosen={chosen} exportAs="credential-reuse" noun={['finding', 'findings']}
          card={(r) => (
            <>
              <span className="row spread"><span className="row grow"><Captured one text={`${who(r)} / ${secret(r)}`} /></span><Rarity value={r.rarity} /></span>
              <span className="row spread small muted"><span>{many(r.target_count, 'target')}, {many(r.attacker_count, 'attacker')}</span><When at={r.last_seen} /></span>
            </>
          )}
          empty={<Empty title="No secret has come back yet.">A secret that is tried on two services or deckies, by whomever, becomes a finding here.</Empty>}
        />
        {chosen !== null && <ReuseDrawer id={chosen} close={close} />}
      </div>
    </main>
  );
}

function ReuseDrawer({ id, close }: { id: string; close: () => void }) {
  const q = useQuery(reuseOne(id));
  const d = q.data;
  return (
    <aside className="drawer" aria-label="Finding">
      <header><h2>Finding</h2>{d !== undefined && <Rarity value={d.finding.rarity} />}<span className="grow" /><Button look="plain" square aria-label="Close the detail" onClick={close}><X size={16} aria-hidden /></Button></header>
      <div className="body">
        {q.error !== null && d === undefined && <Failed error={q.error} retry={() => void q.refetch()} />}
        {d === undefined && q.error === null && <Ghosts lines={8} />}
        {d !== undefined && (
          <>
            <dl className="facts">
              <dt>Secret</dt><dd><Captured text={secret(d.finding)} /> <CopyButton text={secret(d.finding)} what="the secret" /></dd>
              <dt>Bytes</dt><dd><Captured text={d.finding.secret_b64 ?? ''} limit={200} className="small" /></dd>
              <dt>SHA-256</dt><dd className="mono tiny">{d.finding.secret_sha256}</dd>
              <dt>First</dt><dd>{full(d.finding.first_seen)}</dd>
              <dt>Last</dt><dd>{full(d.finding.last_seen)}</dd>
            </dl>
            <section className="stack"><h3>{many(d.finding.target_count, 'target')}</h3>
              <ul className="stack small">{d.targets.map((t) => <li key={t.decky + t.service} className="row spread"><span className="row"><Decky id={t.decky} /><Service name={t.service} /></span><When at={t.first_seen} /></li>)}</ul>
            </section>
            <section className="stack"><h3>{many(d.finding.attacker_count, 'attacker')}</h3>
              <ul className="stack small">{d.attackers.map((a) => <li key={a.attacker_ip} className="row spread"><Ip ip={a.attacker_ip} /><When at={a.first_seen} /></li>)}</ul>
            </section>
            {d.finding.scope === 'secret' && (
              <section className="stack"><h3>{many(d.principals.length, 'name')}</h3>
                <ul className="stack small">{d.principals.map((p) => <li key={p}><Captured one text={p} /></li>)}</ul>
              </section>
            )}
            <p className="small muted"><Link className="link" to="/credentials" search={{ q: d.finding.secret_printable ?? undefined }}>All tries of it</Link></p>
          </>
        )}
      </div>
    </aside>
  );
}
