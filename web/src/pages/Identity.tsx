/** One actor: its addresses, why they are one, what it did along the kill chain. */
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { identity, identityEvidence, observations, sayLink, useMind } from '../api/mind';
import { useIsAdmin } from '../api/session';
import { many } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { Button, Empty, Failed, Ghosts, Mark, Panel, ScrollX } from '../parts/Basics';
import { Graph, type Line } from '../parts/Graph';
import { History, short, spellsOf, Sure, Values } from '../parts/mind';
import { Phases } from '../parts/Phases';
import { Captured, Ip, When } from '../parts/Text';
import { say, sayFailed } from '../parts/toast';

export function Identity() {
  const { uuid } = useParams({ from: '/identities/$uuid' });
  useTitle(`Identity ${short(uuid)}`);
  const live = useMind('identities');
  const admin = useIsAdmin();
  const row = useQuery(identity(uuid));
  const seen = useQuery(observations(uuid));
  const why = useQuery(identityEvidence(uuid));
  const [chosen, setChosen] = useState<Line | null>(null);
  const all = seen.data?.data ?? [];
  const name = new Map(all.map((o) => [o.uuid, o.ordinal === 0 ? o.attacker_ip : `${o.attacker_ip} (${o.ordinal + 1})`]));
  const said = new Map((why.data?.said ?? []).map((s) => [`${s.a} ${s.b}`, s.same]));
  const lines: Line[] = (why.data?.links ?? []).map((l) => ({ a: l.a, b: l.b, why: l.kind, weight: l.weight, said: said.get(`${l.a} ${l.b}`) }));
  const link = chosen === null ? undefined : why.data?.links.find((l) => l.a === chosen.a && l.b === chosen.b);
  const decide = (same: boolean | null) => {
    if (chosen === null) return;
    sayLink('identities', chosen.a, chosen.b, same).then(() => { say(same === null ? 'Taken back' : 'Noted; the next pass obeys'); void why.refetch(); }, sayFailed);
  };
  const r = row.data;
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title">
          <nav className="crumbs" aria-label="Where this is"><Link to="/identities">Identities</Link> ›</nav>
          <h1 className="row wrap"><span className="mono" title={r?.uuid ?? uuid}>{short(r?.uuid ?? uuid)}</span>{r !== undefined && <span className="h1-mark"><Sure value={r.confidence} /></span>}{live && <Mark tone="good">Live</Mark>}</h1>
          {r !== undefined && <p className="sub">{many(r.observation_count, 'address', 'addresses')}, first seen <When at={r.first_seen_at} />, last <When at={r.last_seen_at} />{r.uuid !== uuid && <>. <b>{short(uuid)}</b> was merged into it</>}</p>}
        </div>
        <div className="actions">{r?.campaign_id && <Link className="btn" to="/campaigns/$uuid" params={{ uuid: r.campaign_id }}>Campaign</Link>}</div>
      </header>
      {row.error !== null && r === undefined && <Failed error={row.error} retry={() => void row.refetch()} />}
      <div className="two">
        <div className="stack wide-gap">
          <Panel title="Why they are one">
            {seen.isPending ? <Ghosts lines={5} /> : <Graph label={`Evidence of identity ${short(uuid)}`} dots={all.map((o) => ({ id: o.uuid, label: name.get(o.uuid) ?? '', note: o.asn ? `AS${o.asn}` : undefined }))} lines={lines} chosen={chosen} choose={setChosen} />}
            {link !== undefined && (
              <div className="mind-link">
                <p><b>{name.get(link.a)}</b> and <b>{name.get(link.b)}</b> share a {link.kind}{link.value !== '' && <>: <span className="mono"><Captured one text={link.value} /></span></>}. {many(link.holders, 'observation')} hold it; likeness {link.weight.toFixed(2)}, <Sure value={link.confidence} /></p>
                {admin && <p className="row wrap">
                  <Button onClick={() => decide(true)}>Confirm: one actor</Button><Button look="danger" onClick={() => decide(false)}>Deny: two actors</Button>
                  {said.has(`${link.a} ${link.b}`) && <Button look="plain" onClick={() => decide(null)}>Take back</Button>}
                </p>}
              </div>
            )}
            {(why.data?.said ?? []).length > 0 && <p className="small muted">Said by analysts: {why.data?.said.map((s) => `${name.get(s.a) ?? short(s.a)} ${s.same ? 'is' : 'is not'} ${name.get(s.b) ?? short(s.b)} (${s.said_by})`).join('; ')}</p>}
          </Panel>
          <Panel title="Along the kill chain"><Phases label={`Phases of identity ${short(uuid)}`} spells={all.flatMap((o) => spellsOf(o.evidence as Record<string, unknown>, o.attacker_ip))} /></Panel>
          <Panel title="Addresses" flush>
            {all.length === 0 ? <Empty slim title="None yet." /> : (
              <ScrollX label="Addresses"><table className="plain-table">
                <thead><tr><th>Address</th><th>Network</th><th>First seen</th><th>Last seen</th></tr></thead>
                <tbody>{all.map((o) => <tr key={o.uuid}><td><Ip ip={o.attacker_ip} /></td><td>{[o.country_code, o.asn ? `AS${o.asn}` : null].filter(Boolean).join(' · ') || '–'}</td><td><When at={o.first_seen} /></td><td><When at={o.last_seen} /></td></tr>)}</tbody>
              </table></ScrollX>
            )}
          </Panel>
        </div>
        <aside className="stack wide-gap" aria-label="What is known">
          <Panel title="Shown by it">
            {r === undefined ? <Ghosts lines={6} /> : (
              <dl className="facts stacked">
                <dt>HASSH</dt><dd><Values values={r.hassh_hashes} none="none seen" /></dd>
                <dt>JA3</dt><dd><Values values={r.ja3_hashes} none="none seen" /></dd>
                <dt>Calls</dt><dd><Values values={r.c2_endpoints} none="nothing" /></dd>
                <dt>Files left</dt><dd><Values values={r.payload_simhashes} none="none" /></dd>
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
