/** Who works together: operations of several actors first. */
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { campaigns, useMind, type CampaignRow } from '../api/mind';
import { count, many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { usePaged } from '../lib/paged';
import { Empty, Mark } from '../parts/Basics';
import { short, Sure } from '../parts/mind';
import { Table, type Column } from '../parts/Table';
import { Captured, When } from '../parts/Text';

export function Campaigns() {
  useTitle('Campaigns');
  const live = useMind('campaigns');
  const navigate = useNavigate();
  const make = useCallback((page: { limit: number; offset: number }) => campaigns(page), []);
  const rows = usePaged<CampaignRow>(make);
  const columns: Column<CampaignRow>[] = useMemo(() => [
    { id: 'uuid', head: 'Campaign', width: '104px', cell: (r) => <span className="mono" title={r.uuid}>{short(r.uuid)}</span>, value: (r) => r.uuid },
    { id: 'identities', head: 'Identities', width: '82px', num: true, cell: (r) => count(r.identity_count), value: (r) => r.identity_count },
    { id: 'sure', head: 'Sure', width: '88px', cell: (r) => <Sure value={r.confidence} />, value: (r) => r.confidence ?? '' },
    { id: 'last', head: 'Last seen', width: '92px', cell: (r) => <When at={r.last_seen_at} />, value: (r) => r.last_seen_at },
    { id: 'first', head: 'First seen', width: '92px', cell: (r) => <When at={r.first_seen_at} />, value: (r) => r.first_seen_at },
    { id: 'c2', head: 'Calls', width: 'minmax(140px, 1fr)', cell: (r) => r.c2_endpoints[0] === undefined ? <span className="faint">–</span> : <Captured one text={r.c2_endpoints.join(', ')} />, value: (r) => r.c2_endpoints.join(' ') },
    { id: 'files', head: 'Files', width: '52px', num: true, cell: (r) => count(r.payload_simhashes.length), value: (r) => r.payload_simhashes.length },
  ], []);
  const open = useCallback((row: CampaignRow) => void navigate({ to: '/campaigns/$uuid', params: { uuid: row.uuid } }), [navigate]);
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1 className="row">Campaigns {live && <Mark tone="good" title="Changes appear by themselves">Live</Mark>}</h1><p className="sub">Actors who hand over to each other or share what is theirs alone.</p></div>
      </header>
      <div className="split">
        <Table name="campaigns" label="Campaigns" rows={rows} columns={columns} keyOf={(r) => r.uuid} open={open} exportAs="campaigns" noun={['campaign', 'campaigns']}
          card={(r) => (
            <>
              <span className="row spread"><span className="mono">{short(r.uuid)}</span><Sure value={r.confidence} /></span>
              <span className="row spread small muted"><span className="clip">{many(r.identity_count, 'identity', 'identities')} · {r.c2_endpoints[0] ?? 'no call-back'}</span><When at={r.last_seen_at} /></span>
            </>
          )}
          empty={<Empty title="No campaign is known yet.">Every identity is a campaign of its own until something ties it to another.</Empty>} />
      </div>
    </main>
  );
}
