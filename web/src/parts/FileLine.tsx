import { Link } from '@tanstack/react-router';
import { send } from '../api/client';
import { useIsAdmin } from '../api/session';
import type { ArtifactRow } from '../api/types';
import { size } from '../lib/format';
import { saveBlob } from '../lib/save';
import { Button, CopyButton } from './Basics';
import { Download, FileDown } from './icons';
import { Captured, Decky, When } from './Text';
import { sayFailed } from './toast';

/** Saves a captured file under its hash, with an ending that nothing opens. */
export function downloadFile(sha256: string): void {
  send('GET', `/artifacts/${sha256}/download`).then((r) => r.blob()).then((b) => saveBlob(`${sha256}.captured`, b)).catch(sayFailed);
}

const WAYS: Record<string, string> = { upload: 'uploaded', written: 'written in a shell', mail: 'mailed' };

export function FileButton({ sha256 }: { sha256: string }) {
  const admin = useIsAdmin();
  return (
    <Button look="plain" disabled={!admin} title={admin ? 'Hostile by definition: open it only where nothing can happen' : 'Only administrators may take captured files'} onClick={(e) => { e.stopPropagation(); downloadFile(sha256); }}>
      <Download size={14} aria-hidden /> Take
    </Button>
  );
}

export function FileLine({ row }: { row: ArtifactRow }) {
  return (
    <li className="file-line">
      <FileDown className="icon" size={17} strokeWidth={1.7} aria-hidden />
      <div className="grow">
        <Captured one text={row.path} />
        <div className="small muted row wrap">
          <span>{size(row.size)}{!row.whole && ', only its head was kept'}</span>
          <span>{WAYS[row.way] ?? row.way}</span>
          <span><Decky id={row.decky} /> {row.service}</span>
          <When at={row.captured_at} />
          {row.session_id !== null && row.session_id !== undefined && <Link className="link" to="/sessions/$sid" params={{ sid: row.session_id }}>session</Link>}
        </div>
        <div className="row tiny faint"><span className="mono clip">{row.sha256}</span><CopyButton text={row.sha256} what="the SHA-256" /></div>
      </div>
      <FileButton sha256={row.sha256} />
    </li>
  );
}
