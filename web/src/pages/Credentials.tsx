/** Every secret that was offered, each once with how often. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { credentials } from '../api/queries';
import type { CredentialRow } from '../api/types';
import { count, deckyName, full, many } from '../lib/format';
import { SECRET_KINDS } from '../lib/events';
import { useSettled, useTitle } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { usePaged } from '../lib/paged';
import { Button, CopyButton, Empty, Mark } from '../parts/Basics';
import { X } from '../parts/icons';
import { SearchField } from '../parts/SearchField';
import { ServiceSelect } from '../parts/Selects';
import { Table, type Column } from '../parts/Table';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';

/** The exact bytes if they are text, those of a response that is none in hexadecimal, else the printable form. */
export function secretText(row: CredentialRow): string {
  const printable = row.secret_printable ?? '';
  if (row.secret_kind !== 'plaintext' && !printable.includes('?')) return printable;
  try {
    const bytes = Uint8Array.from(atob(row.secret_b64 ?? ''), (c) => c.charCodeAt(0));
    if (row.secret_kind !== 'plaintext') return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
    const text = new TextDecoder('utf-8').decode(bytes);
    return text === '' ? (row.secret_printable ?? '') : text;
  } catch {
    return row.secret_printable ?? '';
  }
}

export function Secret({ row }: { row: CredentialRow }) {
  const text = secretText(row);
  if (text === '') return <span className="faint">empty</span>;
  return <Captured one text={text} />;
}

export function Outcome({ outcome }: { outcome: string | null | undefined }) {
  if (outcome === 'success') return <Mark tone="warn">Opened</Mark>;
  if (outcome === 'failure') return <Mark tone="quiet">Refused</Mark>;
  return <span className="muted">{outcome ?? 'seen'}</span>;
}

export function Credentials() {
  useTitle('Credentials');
  const search = useSearch({ from: '/credentials' });
  const navigate = useNavigate({ from: '/credentials' });
  const [text, setText] = useState(search.q ?? '');
  const settled = useSettled(text, 220);
  useEffect(() => setText(search.q ?? ''), [search.q]);
  useEffect(() => { if (settled === text && settled.trim() !== (search.q ?? '')) void navigate({ search: (s) => ({ ...s, q: settled.trim() || undefined }), replace: true }); }, [settled]); // eslint-disable-line react-hooks/exhaustive-deps
  const make = useCallback((page: { limit: number; offset: number }) => credentials({ search: search.q, service: search.service }, page), [search.q, search.service]);
  const rows = usePaged<CredentialRow>(make as never);
  useKey('r', rows.again);
  const [kept, setKept] = useState<CredentialRow | null>(null);
  const chosen = useMemo(() => {
    if (search.cred === undefined) return null;
    if (kept !== null && String(kept.id) === search.cred) return kept;
    for (let n = 0; n < Math.min(rows.count, 400); n += 1) if (String(rows.at(n)?.id) === search.cred) return rows.at(n) ?? null;
    return null;
  }, [search.cred, kept, rows]);
  const close = useCallback(() => void navigate({ search: (s) => ({ ...s, cred: undefined }), replace: true }), [navigate]);
  useKey('Escape', close);
  const open = useCallback((row: CredentialRow) => { setKept(row); void navigate({ search: (s) => ({ ...s, cred: String(row.id) }), replace: search.cred !== undefined }); }, [navigate, search.cred]);
  const columns: Column<CredentialRow>[] = useMemo(() => [
    { id: 'principal', head: 'User', width: 'minmax(110px, 1fr)', cell: (r) => r.principal ? <Captured one text={r.principal} /> : <span className="faint">none</span>, value: (r) => r.principal },
    { id: 'secret', head: 'Secret', width: 'minmax(150px, 1.6fr)', cell: (r) => <Secret row={r} />, value: (r) => r.secret_printable },
    { id: 'kind', head: 'Kind', width: '120px', cell: (r) => <span className="muted">{SECRET_KINDS[r.secret_kind] ?? r.secret_kind}</span>, value: (r) => r.secret_kind },
    { id: 'outcome', head: 'Outcome', width: '96px', cell: (r) => <Outcome outcome={r.outcome} />, value: (r) => r.outcome },
    { id: 'tries', head: 'Tries', width: '56px', num: true, cell: (r) => count(r.attempt_count), value: (r) => r.attempt_count },
    { id: 'attacker', head: 'Attacker', width: 'minmax(130px, 1fr)', cell: (r) => <Ip ip={r.attacker_ip} />, value: (r) => r.attacker_ip },
    { id: 'decky', head: 'Decky', width: 'minmax(100px, 0.8fr)', cell: (r) => <Decky id={r.decky_name} />, value: (r) => r.decky_name },
    { id: 'service', head: 'Service', width: '74px', cell: (r) => <Service name={r.service} />, value: (r) => r.service },
    { id: 'last', head: 'Last', width: '92px', cell: (r) => <When at={r.last_seen} />, value: (r) => r.last_seen },
    { id: 'first', head: 'First', width: '92px', extra: true, cell: (r) => <When at={r.first_seen} />, value: (r) => r.first_seen },
    { id: 'sha', head: 'SHA-256 of the secret', width: '180px', extra: true, cell: (r) => <span className="mono faint">{r.secret_sha256}</span>, value: (r) => r.secret_sha256 },
  ], []);
  const filtered = search.q !== undefined || search.service !== undefined;
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Credentials</h1></div>
        <div className="actions"><Link className="btn" to="/credentials/reuse">Reuse</Link></div>
        <div className="tools grow">
          <SearchField value={text} set={setText} label="Search credentials" placeholder="Part of a user, a secret, an address" />
          <ServiceSelect value={search.service} set={(service) => void navigate({ search: (s) => ({ ...s, service }) })} />
        </div>
      </header>
      <div className="split">
        <Table
          name="credentials" label="Credentials" rows={rows} columns={chosen === null ? columns : columns.filter((c) => !['kind', 'decky', 'service', 'first', 'sha'].includes(c.id))} keyOf={(r) => String(r.id)} open={open} chosen={search.cred ?? null} exportAs="credentials" noun={['credential', 'credentials']}
          card={(r) => (
            <>
              <span className="row spread"><span className="row grow"><Captured one text={`${r.principal ?? ''} / ${secretText(r)}`} /></span><Outcome outcome={r.outcome} /></span>
              <span className="row spread small muted"><span className="clip"><Ip ip={r.attacker_ip} /> · {deckyName(r.decky_name)} {r.service}</span><When at={r.last_seen} /></span>
            </>
          )}
          empty={filtered ? <Empty title="No credential fits.">Take a filter away, or search for less.</Empty> : <Empty title="Nobody has tried a password yet.">Names and passwords offered to any decky appear here, each once with how often it was tried.</Empty>}
        />
        {chosen !== null && <CredentialDrawer row={chosen} close={close} />}
      </div>
    </main>
  );
}

function CredentialDrawer({ row, close }: { row: CredentialRow; close: () => void }) {
  const text = secretText(row);
  const others = useQuery({ ...credentials({ search: row.secret_printable ?? undefined }, { limit: 100, offset: 0 }), enabled: (row.secret_printable ?? '').length > 0 });
  const same = (others.data?.data ?? []).filter((c) => c.secret_sha256 === row.secret_sha256 && c.id !== row.id);
  return (
    <aside className="drawer" aria-label="Credential">
      <header><h2>Credential</h2><Outcome outcome={row.outcome} /><span className="grow" /><Button look="plain" square aria-label="Close the detail" onClick={close}><X size={16} aria-hidden /></Button></header>
      <div className="body">
        <dl className="facts">
          <dt>User</dt><dd>{row.principal ? <Captured text={row.principal} /> : <span className="faint">none</span>}</dd>
          <dt>Secret</dt><dd><Captured text={text} /> {text !== '' && <CopyButton text={text} what="the secret" />}</dd>
          <dt>Kind</dt><dd>{SECRET_KINDS[row.secret_kind] ?? row.secret_kind}</dd>
          <dt>SHA-256</dt><dd className="mono tiny">{row.secret_sha256}</dd>
          {row.secret_kind !== 'plaintext' && row.secret_b64 && <><dt>Bytes</dt><dd><Captured text={row.secret_b64} limit={200} className="small" /></dd></>}
          <dt>Attacker</dt><dd><Ip ip={row.attacker_ip} /></dd>
          <dt>Where</dt><dd><Decky id={row.decky_name} /> <Service name={row.service} /></dd>
          <dt>Tries</dt><dd>{count(row.attempt_count)}</dd>
          <dt>First</dt><dd>{full(row.first_seen)}</dd>
          <dt>Last</dt><dd>{full(row.last_seen)}</dd>
        </dl>
        <section className="stack">
          <h3>The same secret elsewhere</h3>
          {same.length === 0 ? <p className="muted small">{others.isFetching ? 'Looking…' : 'Nowhere else.'}</p> : (
            <ul className="stack small">
              {same.slice(0, 30).map((c) => <li key={c.id} className="row spread"><span className="row"><Ip ip={c.attacker_ip} /><Captured one text={c.principal ?? ''} className="muted" /></span><span className="muted">{deckyName(c.decky_name)} {c.service} · <When at={c.last_seen} /></span></li>)}
            </ul>
          )}
          {same.length > 30 && <Link className="link small" to="/credentials" search={{ q: row.secret_printable ?? undefined }}>All {many(same.length, 'other')}</Link>}
        </section>
      </div>
    </aside>
  );
}
