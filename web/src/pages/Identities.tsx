/** Who is behind the addresses: those seen from several first. */
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { identities, useMind, type IdentityRow } from '../api/mind';
import { count, many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { usePaged } from '../lib/paged';
import { Empty, Mark } from '../parts/Basics';
import { short, Sure } from '../parts/mind';
import { Table, type Column } from '../parts/Table';
import { Captured, When } from '../parts/Text';

export function Identities() {
  useTitle('Identities');
  const live = useMind('identities');
  const navigate = useNavigate();
  const make = useCallback((page: { limit: number; offset: number }) => identities(page), []);
  const rows = usePaged<IdentityRow>(make);
  const columns: Column<IdentityRow>[] = useMemo(() => [
    { id: 'uuid', head: 'Identity', width: '104px', cell: (r) => <span className="mono" title={r.uuid}>{short(r.uuid)}</span>, value: (r) => r.uuid },
    { id: 'addresses', head: 'Addresses', width: '82px', num: true, cell: (r) => count(r.observation_count), value: (r) => r.observation_count },
    { id: 'sure', head: 'Sure', width: '88px', cell: (r) => <Sure value={r.confidence} />, value: (r) => r.confidence ?? '' },
    { id: 'last', head: 'Last seen', width: '92px', cell: (r) => <When at={r.last_seen_at} />, value: (r) => r.last_seen_at },
    { id: 'first', head: 'First seen', width: '92px', cell: (r) => <When at={r.first_seen_at} />, value: (r) => r.first_seen_at },
    { id: 'hassh', head: 'HASSH', width: 'minmax(120px, 1fr)', cell: (r) => r.hassh_hashes[0] === undefined ? <span className="faint">–</span> : <span className="mono small">{r.hassh_hashes[0]}</span>, value: (r) => r.hassh_hashes.join(' ') },
    { id: 'c2', head: 'Calls', width: 'minmax(120px, 1fr)', cell: (r) => r.c2_endpoints[0] === undefined ? <span className="faint">–</span> : <Captured one text={r.c2_endpoints.join(', ')} />, value: (r) => r.c2_endpoints.join(' ') },
    { id: 'files', head: 'Files', width: '52px', num: true, cell: (r) => count(r.payload_simhashes.length), value: (r) => r.payload_simhashes.length },
    { id: 'campaign', head: 'Campaign', width: '104px', cell: (r) => r.campaign_id ? <span className="mono" title={r.campaign_id}>{short(r.campaign_id)}</span> : <span className="faint">–</span>, value: (r) => r.campaign_id ?? '' },
  ], []);
  const open = useCallback((row: IdentityRow) => void navigate({ to: '/identities/$uuid', params: { uuid: row.uuid } }), [navigate]);
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1 className="row">Identities {live && <Mark tone="good" title="Changes appear by themselves">Live</Mark>}</h1><p className="sub">Addresses that are one actor, and why.</p></div>
      </header>
      <div className="split">
        <Table name="identities" label="Identities" rows={rows} columns={columns} keyOf={(r) => r.uuid} open={open} exportAs="identities" noun={['identity', 'identities']}
          card={(r) => (
            <>
              <span className="row spread"><span className="mono">{short(r.uuid)}</span><Sure value={r.confidence} /></span>
              <span className="row spread small muted"><span className="clip">{many(r.observation_count, 'address', 'addresses')} · {r.c2_endpoints[0] ?? r.hassh_hashes[0] ?? 'no fingerprint'}</span><When at={r.last_seen_at} /></span>
            </>
          )}
          empty={<Empty title="Nobody is known yet.">As soon as an address was profiled it gets an identity; addresses that share something rare get the same.</Empty>} />
      </div>
    </main>
  );
}
