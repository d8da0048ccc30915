/** Words and small things that pages of identities and campaigns share. */
import type { MindEventRow } from '../api/mind';
import { Empty, Mark } from './Basics';
import type { Spell } from './Phases';
import { Captured, When } from './Text';
import { deckyName } from '../lib/format';

/** The end of a uuid: its beginning is a time and the same for many. */
export const short = (uuid: string): string => uuid.slice(-8);

export function Sure({ value }: { value: number | null | undefined }) {
  if (value === null || value === undefined) return <span className="faint">–</span>;
  return <Mark tone={value >= 0.8 ? 'good' : value >= 0.65 ? 'quiet' : 'warn'} title="How sure the weakest link is">{Math.round(value * 100)} %</Mark>;
}

type Visit = { spells?: { phase: string; first: number; last: number }[] };

/** Phases on deckies of one observation's evidence. */
export function spellsOf(evidence: Record<string, unknown>, who: string): Spell[] {
  const deckies = (evidence.deckies ?? {}) as Record<string, Visit>;
  return Object.entries(deckies).flatMap(([decky, visit]) => (visit.spells ?? []).map((s) => ({ phase: s.phase, from: s.first / 1000, to: s.last / 1000, who, decky: deckyName(decky) })));
}

const WORDS: Record<string, string> = {
  'identity.formed': 'Found', 'identity.observation.linked': 'An address was linked', 'identity.merged': 'Another identity was merged into it', 'identity.unmerged': 'It is itself again', 'identity.campaign.assigned': 'Assigned to a campaign',
  'campaign.formed': 'Found', 'campaign.identity.assigned': 'An identity was assigned', 'campaign.merged': 'Another campaign was merged into it', 'campaign.unmerged': 'It is itself again',
};

export function History({ rows }: { rows: MindEventRow[] }) {
  if (rows.length === 0) return <Empty slim title="Nothing happened yet." />;
  return (
    <ol className="mind-history">
      {rows.map((row) => {
        const payload = row.payload as Record<string, unknown>;
        const other = payload.loser_uuid ?? payload.observation_uuid ?? payload.campaign_uuid ?? payload.former_winner_uuid;
        return (
          <li key={row.id}>
            <span className="row spread"><b>{WORDS[row.topic] ?? row.topic}</b><When at={row.at} /></span>
            <span className="small muted">{typeof payload.reason === 'string' ? <Captured one text={payload.reason} /> : null}{typeof other === 'string' && <> · <span className="mono">{short(other)}</span></>}</span>
          </li>
        );
      })}
    </ol>
  );
}

export function Values({ values, none }: { values: string[]; none: string }) {
  if (values.length === 0) return <span className="faint">{none}</span>;
  return <span className="stack tight">{values.slice(0, 8).map((v) => <span key={v} className="mono small clip" title={v}><Captured one text={v} /></span>)}{values.length > 8 && <span className="tiny muted">and {values.length - 8} more</span>}</span>;
}
