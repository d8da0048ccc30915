/** What was concluded of one attacker: its stack, what it does, what others know of it. Each panel loads by itself. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { behaviour, intel, stack } from '../api/queries';
import type { Behaviour } from '../api/types';
import { many } from '../lib/format';
import { Failed, Ghosts, Mark, Panel, type Tone } from '../parts/Basics';
import { Captured, Service, When } from '../parts/Text';

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <><dt>{name}</dt><dd>{children}</dd></>;
}

const none = <span className="faint">none</span>;
const text = (v: unknown): string => (typeof v === 'string' ? v : typeof v === 'number' ? String(v) : '');

/** Numbers that can be foretold are worth a warning: a connection can be hijacked by who guesses them. */
export function sequenceTone(cls: string): Tone {
  return cls === 'random' ? 'good' : cls === 'unknown' || cls === '' ? 'quiet' : cls === 'zero' || cls === 'constant' ? 'alarm' : 'warn';
}

function Sequence({ cls, manner, samples }: { cls: string; manner: string; samples: number }) {
  if (cls === '') return none;
  return <Mark tone={sequenceTone(cls)} title={`from ${many(samples, 'value')}`}>{cls}{manner !== '' && `, ${manner}`}</Mark>;
}

export function StackPanel({ uuid }: { uuid: string }) {
  const q = useQuery(stack(uuid));
  if (q.error !== null && q.data === undefined) return <Panel title="TCP stack"><Failed error={q.error} retry={() => void q.refetch()} /></Panel>;
  if (q.data === undefined) return <Panel title="TCP stack"><Ghosts lines={4} /></Panel>;
  const fields = (q.data?.fields ?? {}) as Record<string, unknown>;
  const tcp = fields['tcp'] as Record<string, unknown> | undefined;
  if (tcp === undefined) return <Panel title="TCP stack"><p className="muted small">No SYN of this address was read.</p></Panel>;
  const dscp = Number(tcp['dscp'] ?? 0);
  const ecn = Number(tcp['ecn'] ?? 0);
  const clock = fields['clock_hz'];
  return (
    <Panel title="TCP stack">
      <dl className="facts">
        <Fact name="Looks like">{tcp['looks_like'] ? <Mark tone={tcp['tool'] === true ? 'alarm' : 'quiet'} title={tcp['tool'] === true ? 'A program that makes packets of its own' : 'An operating system'}>{text(tcp['looks_like'])}</Mark> : <span className="faint">no known stack</span>}</Fact>
        <Fact name="TTL">{text(tcp['ttl'])} <span className="faint">began at {text(tcp['initial_ttl'])}, {many(Number(tcp['hops'] ?? 0), 'hop')}</span></Fact>
        <Fact name="Window">{text(tcp['window'])}{tcp['window_scale'] !== null && tcp['window_scale'] !== undefined && <span className="faint"> × 2^{text(tcp['window_scale'])}</span>}{tcp['mss'] ? <span className="faint">, MSS {text(tcp['mss'])}</span> : null}</Fact>
        <Fact name="Options">{text(tcp['options']) === '' ? none : <Captured text={text(tcp['options'])} className="small" />}</Fact>
        <Fact name="Quirks">{text(tcp['quirks']) === '' ? none : <Captured text={text(tcp['quirks'])} className="small" />}</Fact>
        <Fact name="DSCP">{dscp === 0 ? <span className="faint">0</span> : <Mark tone="warn" title="Most hosts mark nothing">{dscp}</Mark>}</Fact>
        <Fact name="ECN">{ecn === 0 ? <span className="faint">0</span> : <Mark tone="warn" title="Set in the IP header of a SYN">{ecn}</Mark>}</Fact>
        <Fact name="IP-ID"><Sequence cls={text(fields['ipid_class'])} manner={text(fields['ipid_manner'])} samples={Number(fields['ipid_samples'] ?? 0)} /></Fact>
        <Fact name="ISN"><Sequence cls={text(fields['isn_class'])} manner={text(fields['isn_manner'])} samples={Number(fields['isn_samples'] ?? 0)} /></Fact>
        {clock !== null && clock !== undefined && <Fact name="Clock">{text(clock)} Hz <span className="faint">{text(fields['clock_skew_ppm'])} ppm</span></Fact>}
        <Fact name="Signature"><Captured text={text(fields['tcp_signature'])} limit={200} className="small" /></Fact>
      </dl>
    </Panel>
  );
}

const CLASS: Record<string, [string, Tone]> = {
  visitor: ['only knocked', 'quiet'], scanner: ['scans', 'warn'], brute_forcer: ['tries passwords', 'warn'], beacon: ['comes back like clockwork', 'warn'],
  scripted: ['runs a script', 'alarm'], interactive: ['somebody types', 'alarm'], browser: ['reads pages', 'quiet'],
};
const STAGES = [['in', 'In'], ['through', 'Through'], ['out', 'Out']] as const;

export function BehaviourPanel({ uuid }: { uuid: string }) {
  const q = useQuery(behaviour(uuid));
  if (q.error !== null && q.data === undefined) return <Panel title="Behaviour"><Failed error={q.error} retry={() => void q.refetch()} /></Panel>;
  if (q.data === undefined) return <Panel title="Behaviour"><Ghosts lines={4} /></Panel>;
  if (q.data === null) return <Panel title="Behaviour"><p className="muted small">Not concluded yet; it follows a moment after the events.</p></Panel>;
  return <BehaviourFacts b={q.data} />;
}

function BehaviourFacts({ b }: { b: Behaviour }) {
  const [word, tone] = CLASS[b.class] ?? [b.class, 'quiet'];
  const scans = Object.entries(b.scans);
  const domains = Object.keys(b.mail_domains);
  return (
    <Panel title="Behaviour">
      <dl className="facts">
        <Fact name="In a word"><Mark tone={tone} title={b.class_why}>{word}</Mark> <span className="faint small">{b.class_why}</span></Fact>
        <Fact name="Rhythm">{b.rhythm === null || b.rhythm === undefined ? <span className="faint">too few contacts</span> : b.rhythm.beacon ? <Mark tone="warn">every {b.rhythm.median_s} s, jitter {Math.round(b.rhythm.jitter * 100)} %</Mark> : <span className="faint">none</span>}</Fact>
        {scans.length > 0 && <Fact name="Scans">{scans.map(([kind, n]) => `${kind.toUpperCase()}${n > 1 ? ` ×${n}` : ''}`).join(', ')} <span className="faint">{many(b.ports_scanned.length, 'port')} named</span></Fact>}
        {b.services_scanned.length > 0 && <Fact name="Not used"><span className="tags wrap">{b.services_scanned.map((s) => <Service key={s} name={s} />)}</span></Fact>}
        {b.tools.length > 0 && <Fact name="Tools"><span className="stack">{b.tools.map((t) => <span key={t.tool}><Captured one text={t.tool} /> <span className="faint small">by {t.by}</span></span>)}</span></Fact>}
        {b.user_agents.length > 0 && <Fact name="User agents"><span className="stack">{b.user_agents.map((a) => <span key={a.class} title={a.example}>{a.class} <span className="faint small">×{a.count}</span></span>)}</span></Fact>}
        {b.leaks.length > 0 && <Fact name="Let slip"><span className="stack">{b.leaks.map((l) => <span key={l.header + l.claim}><Captured one text={l.claim} /> <span className="faint small">{l.kind}, {l.header}; may be made up</span></span>)}</span></Fact>}
        {domains.length > 0 && <Fact name="Mails to"><Captured text={domains.join(', ')} className="small" /></Fact>}
        {b.names_asked.length > 0 && <Fact name="Names asked"><Captured text={b.names_asked.join(', ')} className="small" /></Fact>}
      </dl>
      {b.phases.length > 0 && (
        <>
          <h3>Kill chain</h3>
          <dl className="facts">
            {STAGES.map(([stage, name]) => {
              const phases = b.phases.filter((p) => p.stage === stage);
              return phases.length === 0 ? null : (
                <Fact key={stage} name={name}><span className="tags wrap">{phases.map((p) => <span key={p.phase} className="mark quiet" title={`${p.count}×, first: ${p.example}`}>{p.phase.replaceAll('_', ' ')}</span>)}</span></Fact>
              );
            })}
          </dl>
        </>
      )}
    </Panel>
  );
}

const VERDICT: Record<string, Tone> = { malicious: 'alarm', suspicious: 'warn', benign: 'good', unknown: 'quiet' };
const PROVIDER: Record<string, string> = { abuseipdb: 'AbuseIPDB', feodo: 'Feodo Tracker', greynoise: 'GreyNoise', threatfox: 'ThreatFox' };

export function IntelPanel({ uuid }: { uuid: string }) {
  const q = useQuery(intel(uuid));
  if (q.error !== null && q.data === undefined) return <Panel title="Threat intelligence"><Failed error={q.error} retry={() => void q.refetch()} /></Panel>;
  if (q.data === undefined) return <Panel title="Threat intelligence"><Ghosts lines={3} /></Panel>;
  if (q.data === null) return <Panel title="Threat intelligence"><p className="muted small">Nobody has been asked about this address yet.</p></Panel>;
  const row = q.data;
  if (row.held_back) return <Panel title="Threat intelligence"><p className="muted small">Nobody is asked: {row.held_back}.</p></Panel>;
  return (
    <Panel title="Threat intelligence" actions={row.aggregate_verdict ? <Mark tone={VERDICT[row.aggregate_verdict] ?? 'quiet'}>{row.aggregate_verdict}</Mark> : undefined}>
      <dl className="facts">
        {row.providers.map((p) => (
          <Fact key={p.provider} name={PROVIDER[p.provider] ?? p.provider}>
            {p.verdict ? <Mark tone={VERDICT[p.verdict] ?? 'quiet'}>{p.verdict}</Mark> : <span className="faint">{p.queried_at ? 'not listed' : 'no answer yet'}</span>}
            {p.queried_at && <span className="faint small"> <When at={p.queried_at} /></span>}
            {p.error && <span className="small muted"> {p.error}</span>}
            {p.queried_at && <Captured className="small" limit={200} text={Object.entries(p.fields).filter(([, v]) => v !== null && v !== '' && !(Array.isArray(v) && v.length === 0)).map(([k, v]) => `${k.replaceAll('_', ' ')}: ${Array.isArray(v) ? v.join(', ') : String(v)}`).join(' · ')} />}
          </Fact>
        ))}
      </dl>
    </Panel>
  );
}
