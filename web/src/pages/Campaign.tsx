/** One operation: its actors, what ties them, what each did along the kill chain. */
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { campaign, campaignEvidence, members, observations, sayLink, useMind } from '../api/mind';
import { useIsAdmin } from '../api/session';
import { many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { Button, Empty, Failed, Ghosts, Mark, Panel, ScrollX } from '../parts/Basics';
import { Graph, type Line } from '../parts/Graph';
import { History, short, spellsOf, Sure, Values } from '../parts/mind';
import { Phases } from '../parts/Phases';
import { When } from '../parts/Text';
import { say, sayFailed } from '../parts/toast';

/** Actors whose phases are drawn. */
const DRAWN = 8;

export function Campaign() {
  const { uuid } = useParams({ from: '/campaigns/$uuid' });
  useTitle(`Campaign ${short(uuid)}`);
  const live = useMind('campaigns');
  const admin = useIsAdmin();
  const row = useQuery(campaign(uuid));
  const who = useQuery(members(uuid));
  const why = useQuery(campaignEvidence(uuid));
  const [chosen, setChosen] = useState<Line | null>(null);
  const all = who.data?.data ?? [];
  const seen = useQueries({ queries: all.slice(0, DRAWN).map((m) => observations(m.uuid)) });
  const spells = seen.flatMap((q, i) => (q.data?.data ?? []).flatMap((o) => spellsOf(o.evidence as Record<string, unknown>, short(all[i]?.uuid ?? ''))));
  const said = new Map((why.data?.said ?? []).map((s) => [`${s.a} ${s.b}`, s.same]));
  const lines: Line[] = (why.data?.links ?? []).map((l) => ({ a: l.a, b: l.b, why: l.kind, weight: l.handoff + l.infrastructure + 0.4 * l.overlap + 0.1 * l.cohort, said: said.get(`${l.a} ${l.b}`) }));
  const link = chosen === null ? undefined : why.data?.links.find((l) => l.a === chosen.a && l.b === chosen.b);
  const decide = (same: boolean | null) => {
    if (chosen === null) return;
    sayLink('campaigns', chosen.a, chosen.b, same).then(() => { say(same === null ? 'Taken back' : 'Noted; the next pass obeys'); void why.refetch(); }, sayFailed);
  };
  const r = row.data;
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title">
          <nav className="crumbs" aria-label="Where this is"><Link to="/campaigns">Campaigns</Link> ›</nav>
          <h1 className="row wrap"><span className="mono" title={r?.uuid ?? uuid}>{short(r?.uuid ?? uuid)}</span>{r !== undefined && <span className="h1-mark"><Sure value={r.confidence} /></span>}{live && <Mark tone="good">Live</Mark>}</h1>
          {r !== undefined && <p className="sub">{many(r.identity_count, 'identity', 'identities')}, first seen <When at={r.first_seen_at} />, last <When at={r.last_seen_at} /></p>}
        </div>
      </header>
      {row.error !== null && r === undefined && <Failed error={row.error} retry={() => void row.refetch()} />}
      <div className="two">
        <div className="stack wide-gap">
          <Panel title="Along the kill chain"><Phases label={`Phases of campaign ${short(uuid)}`} spells={spells} /></Panel>
          <Panel title="What ties them">
            {who.isPending ? <Ghosts lines={5} /> : <Graph label={`Evidence of campaign ${short(uuid)}`} dots={all.map((m) => ({ id: m.uuid, label: short(m.uuid), note: many(m.observation_count, 'address', 'addresses') }))} lines={lines} chosen={chosen} choose={setChosen} />}
            {link !== undefined && (
              <div className="mind-link">
                <p>Hand-over {link.handoff.toFixed(2)}, shared infrastructure {link.infrastructure.toFixed(2)}, present together {link.overlap.toFixed(2)}, other likeness {link.cohort.toFixed(2)}. <Sure value={link.confidence} /></p>
                {admin && <p className="row wrap">
                  <Button onClick={() => decide(true)}>Confirm: one campaign</Button><Button look="danger" onClick={() => decide(false)}>Deny: two campaigns</Button>
                  {said.has(`${link.a} ${link.b}`) && <Button look="plain" onClick={() => decide(null)}>Take back</Button>}
                </p>}
              </div>
            )}
          </Panel>
          <Panel title="Identities" flush>
            {all.length === 0 ? <Empty slim title="None yet." /> : (
              <ScrollX label="Identities"><table className="plain-table">
                <thead><tr><th>Identity</th><th>Addresses</th><th>Sure</th><th>First seen</th><th>Last seen</th></tr></thead>
                <tbody>{all.map((m) => <tr key={m.uuid}><td><Link className="link mono" to="/identities/$uuid" params={{ uuid: m.uuid }}>{short(m.uuid)}</Link></td><td>{m.observation_count}</td><td><Sure value={m.confidence} /></td><td><When at={m.first_seen_at} /></td><td><When at={m.last_seen_at} /></td></tr>)}</tbody>
              </table></ScrollX>
            )}
          </Panel>
        </div>
        <aside className="stack wide-gap" aria-label="What is known">
          <Panel title="Shown by it">
            {r === undefined ? <Ghosts lines={6} /> : (
              <dl className="facts stacked">
                <dt>Calls</dt><dd><Values values={r.c2_endpoints} none="nothing" /></dd>
                <dt>Files left</dt><dd><Values values={r.payload_simhashes} none="none" /></dd>
                <dt>HASSH</dt><dd><Values values={r.hassh_hashes} none="none seen" /></dd>
                <dt>JA3</dt><dd><Values values={r.ja3_hashes} none="none seen" /></dd>
                <dt>Uuid</dt><dd className="mono small">{r.uuid}</dd>
              </dl>
            )}
          </Panel>
          <Panel title="History"><History rows={why.data?.history ?? []} /></Panel>
        </aside>
      </div>
    </main>
  );
}
