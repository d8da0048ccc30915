/** What attackers left behind. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { files } from '../api/queries';
import type { ArtifactRow } from '../api/types';
import { size } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { useKey } from '../lib/keys';
import { usePaged } from '../lib/paged';
import { Button, Empty } from '../parts/Basics';
import { FileButton } from '../parts/FileLine';
import { X } from '../parts/icons';
import { Table, type Column } from '../parts/Table';
import { Captured, Decky, Ip, Service, When } from '../parts/Text';

export function Files() {
  useTitle('Files');
  const search = useSearch({ from: '/files' });
  const navigate = useNavigate({ from: '/files' });
  const make = useCallback((page: { limit: number; offset: number }) => files({ attacker_ip: search.ip }, page), [search.ip]);
  const rows = usePaged<ArtifactRow>(make as never);
  useKey('r', rows.again);
  const columns: Column<ArtifactRow>[] = useMemo(() => [
    { id: 'at', head: 'Kept', width: '112px', cell: (r) => <When at={r.captured_at} form="moment" />, value: (r) => r.captured_at },
    { id: 'path', head: 'Path as given', width: 'minmax(160px, 2fr)', cell: (r) => <Captured one text={r.path} />, value: (r) => r.path },
    { id: 'size', head: 'Size', width: '76px', num: true, cell: (r) => <span title={r.whole ? '' : 'only its head was kept'}>{size(r.size)}{!r.whole && ' +'}</span>, value: (r) => r.size },
    { id: 'way', head: 'How', width: '82px', cell: (r) => r.way, value: (r) => r.way },
    { id: 'attacker', head: 'Attacker', width: 'minmax(130px, 1fr)', cell: (r) => <Ip ip={r.attacker_ip} />, value: (r) => r.attacker_ip },
    { id: 'decky', head: 'Decky', width: 'minmax(100px, 1fr)', cell: (r) => <Decky id={r.decky} />, value: (r) => r.decky },
    { id: 'service', head: 'Service', width: '74px', cell: (r) => <Service name={r.service} />, value: (r) => r.service },
    { id: 'sha', head: 'SHA-256', width: 'minmax(130px, 1.4fr)', cell: (r) => <span className="mono faint">{r.sha256}</span>, value: (r) => r.sha256 },
    { id: 'take', head: 'Bytes', width: '84px', cell: (r) => <FileButton sha256={r.sha256} /> },
  ], []);
  const open = useCallback((row: ArtifactRow) => {
    if (row.session_id !== null && row.session_id !== undefined) void navigate({ to: '/sessions/$sid', params: { sid: row.session_id } });
    else void navigate({ to: '/attackers/$ip', params: { ip: row.attacker_ip }, search: { tab: 'files' } });
  }, [navigate]);
  return (
    <main className="page full" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Files</h1><p className="sub">Uploaded, written or mailed by attackers. Hostile by definition: they are kept as bytes and never opened here.</p></div>
        <div className="actions">
          {search.ip !== undefined && <Button look="plain" onClick={() => void navigate({ search: {} })}>of {search.ip} <X size={14} aria-hidden /></Button>}
          <Button onClick={rows.again} aria-keyshortcuts="r">Show what is new</Button>
        </div>
      </header>
      <div className="split">
        <Table
          name="files" label="Files" rows={rows} columns={columns} keyOf={(r) => String(r.id)} open={open} exportAs="files" noun={['file', 'files']}
          card={(r) => (
            <>
              <span className="row spread"><Captured one text={r.path} /><span className="small">{size(r.size)}</span></span>
              <span className="row spread small muted"><Ip ip={r.attacker_ip} /><When at={r.captured_at} /></span>
            </>
          )}
          empty={<Empty title="No file yet.">Whatever an attacker uploads, writes in a shell or mails is kept here by its SHA-256.</Empty>}
        />
      </div>
    </main>
  );
}
