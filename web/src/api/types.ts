/** Short names of what the API sends. The shapes are generated from its document. */
import type { components } from './schema';

type S = components['schemas'];

export type Page<T> = { total: number; limit: number; offset: number; data: T[] };
export type Fields = Record<string, unknown>;

export type LogRow = S['LogRow'];
export type CredentialRow = S['CredentialRow'];
export type AttackerRow = S['AttackerRow'];
export type SessionRow = S['SessionRow'];
export type ArtifactRow = S['ArtifactRow'];
export type BountyRow = S['BountyRow'];
export type UserRow = S['UserRow'];
export type FleetDeckyRow = S['FleetDeckyRow'];
export type Histogram = S['Histogram'];
export type Stats = S['Stats'];
export type Transcript = S['Transcript'];
export type Health = S['Health'];
export type Worker = S['Worker'];
export type Workers = S['Workers'];
export type StartAll = S['StartAll'];
export type Settings = S['Settings'];
export type Version = S['Version'];
export type Token = S['Token'];
export type Purged = S['Purged'];
export type FleetReport = S['FleetReport'];
export type ReuseRow = S['ReuseRow'];
export type ReuseDetail = S['ReuseDetail'];
export type IntelRow = S['IntelRow'];
/** What a source does. The API describes it in words only. */
export type Behaviour = {
  class: string;
  class_why: string;
  services_scanned: string[];
  services_used: string[];
  ports_scanned: number[];
  scans: Record<string, number>;
  contacts: number;
  rhythm: { intervals: number; median_s: number; jitter: number; autocorrelation: number; beacon: boolean } | null;
  hours: number[];
  logins: number;
  logged_in: number;
  phases: { phase: string; stage: 'in' | 'through' | 'out'; count: number; first: string; last: string; example: string }[];
  tools: { tool: string; by: string }[];
  user_agents: { class: string; count: number; example: string }[];
  leaks: { header: string; claim: string; kind: string; count: number; last: string }[];
  mail_domains: Record<string, number>;
  names_asked: string[];
};
