/** The deckies that should exist, and how they are. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { deckies } from '../api/queries';
import type { FleetDeckyRow } from '../api/types';
import { count, many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { Empty, Failed, Ghosts, Mark, type Tone } from '../parts/Basics';
import { FleetTools } from '../parts/FleetHands';
import { SearchField } from '../parts/SearchField';
import { Services, When } from '../parts/Text';

const STATES: Record<string, { tone: Tone; word: string }> = {
  running: { tone: 'good', word: 'Runs' }, pending: { tone: 'quiet', word: 'Being made' }, degraded: { tone: 'warn', word: 'Degraded' }, failed: { tone: 'alarm', word: 'Failed' }, torn_down: { tone: 'quiet', word: 'Torn down' },
};

export function DeckyState({ row }: { row: FleetDeckyRow }) {
  const state = STATES[row.state] ?? { tone: 'quiet' as Tone, word: row.state };
  return <Mark tone={state.tone} title={row.last_error ?? undefined}>{state.word}</Mark>;
}

/** A text of the persona, wherever it is kept. */
export function fact(row: FleetDeckyRow, ...names: string[]): string {
  for (const name of names) {
    const value = row.decky_config[name];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
    if (Array.isArray(value) && value.length > 0) return value.map(String).join(', ');
  }
  return '';
}

const idOf = (row: FleetDeckyRow): string => `${row.host_uuid}:${row.name}`;

export function Fleet() {
  useTitle('Fleet');
  const search = useSearch({ from: '/fleet' });
  const navigate = useNavigate({ from: '/fleet' });
  const q = useQuery(deckies());
  const text = search.q ?? '';
  const rows = useMemo(() => {
    const low = text.toLowerCase();
    return (q.data?.data ?? []).filter((r) => (search.state === undefined || r.state === search.state)
      && (low === '' || [r.name, r.decky_ip ?? '', ...r.services, fact(r, 'hostname'), fact(r, 'archetype'), fact(r, 'distro_name', 'distro')].some((t) => t.toLowerCase().includes(low))));
  }, [q.data, text, search.state]);
  const states = useMemo(() => {
    const all = new Map<string, number>();
    for (const r of q.data?.data ?? []) all.set(r.state, (all.get(r.state) ?? 0) + 1);
    return [...all].sort();
  }, [q.data]);
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>Fleet</h1></div>
        <div className="tools grow">
          <SearchField value={text} set={(v) => void navigate({ search: (s) => ({ ...s, q: v || undefined }), replace: true })} label="Search deckies" placeholder="A name, an address, a service, a system" />
          <div className="segment" role="group" aria-label="State">
            <button type="button" aria-pressed={search.state === undefined} onClick={() => void navigate({ search: (s) => ({ ...s, state: undefined }) })}>All {q.data !== undefined && count(q.data.total)}</button>
            {states.map(([state, n]) => <button key={state} type="button" aria-pressed={search.state === state} onClick={() => void navigate({ search: (s) => ({ ...s, state }) })}>{STATES[state]?.word ?? state} {count(n)}</button>)}
          </div>
        </div>
        <div className="actions"><FleetTools /></div>
      </header>
      {q.error !== null && q.data === undefined ? <Failed error={q.error} retry={() => void q.refetch()} /> : q.data === undefined ? <div className="deckies"><div className="panel"><div className="body"><Ghosts /></div></div><div className="panel"><div className="body"><Ghosts /></div></div></div>
        : rows.length === 0 ? (text !== '' || search.state !== undefined ? <Empty title="No decky fits.">Search for less, or choose another state.</Empty>
          : <Empty title="No decky is deployed.">Describe a fleet in a file and press Deploy, or run <code>decnet deploy --config FILE</code>; <code>decnet up</code> raises a lab of six. They appear here while they are being made.</Empty>)
          : <ul className="deckies">{rows.slice(0, 600).map((r) => <li key={idOf(r)}><Card row={r} /></li>)}</ul>}
      {rows.length > 600 && <p className="muted small">{many(rows.length - 600, 'more decky', 'more deckies')}: search to see them.</p>}
    </main>
  );
}

function Card({ row }: { row: FleetDeckyRow }) {
  const host = fact(row, 'hostname');
  const system = fact(row, 'distro_name', 'distro');
  return (
    <article className={`panel decky ${row.state}`}>
      <div className="body">
        <div className="row spread">
          <h2 className="clip"><Link className="noun" to="/fleet/$decky" params={{ decky: idOf(row) }}>{row.name}</Link></h2>
          <DeckyState row={row} />
        </div>
        <p className="row small"><span className="ip">{row.decky_ip ?? 'no address'}</span>{host !== '' && <span className="faint clip">as {host}</span>}</p>
        <Services names={row.services} deep={row.services} max={7} />
        <p className="small muted clip" title={system}>{[fact(row, 'archetype').replaceAll('-', ' '), system].filter((x) => x !== '').join(' · ')}</p>
        {row.last_error ? <p className="small decky-error">{row.last_error}</p> : <p className="tiny faint">{row.last_seen ? <>seen running <When at={row.last_seen} /></> : 'never seen running'}</p>}
      </div>
    </article>
  );
}
