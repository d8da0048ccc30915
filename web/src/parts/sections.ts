/** The sections of the left rail, the palette and the jumps: one list. */
import { Activity, Boxes, BookOpen, Clapperboard, Fingerprint, FileDown, KeyRound, LayoutDashboard, Network, Radar, Server, Settings, Sprout, Users, Waypoints, Workflow } from './icons';

export const SECTIONS = [
  { to: '/', word: 'Overview', icon: LayoutDashboard, jump: 'o', fed: true },
  { to: '/live', word: 'Live', icon: Activity, jump: 'l', fed: true },
  { to: '/attackers', word: 'Attackers', icon: Users, jump: 'a', fed: true },
  { to: '/identities', word: 'Identities', icon: Fingerprint, jump: 'i', fed: true },
  { to: '/campaigns', word: 'Campaigns', icon: Waypoints, jump: 'p', fed: true },
  { to: '/credentials', word: 'Credentials', icon: KeyRound, jump: 'c', fed: true },
  { to: '/fleet', word: 'Fleet', icon: Server, jump: 'f', fed: true },
  { to: '/topologies', word: 'Topologies', icon: Network, jump: 't', fed: false },
  { to: '/life', word: 'Life', icon: Sprout, jump: 'y', fed: false },
  { to: '/intel', word: 'Intel', icon: Radar, jump: 'n', fed: false },
  { to: '/workers', word: 'Workers', icon: Workflow, jump: 'w', fed: true },
  { to: '/settings', word: 'Settings', icon: Settings, jump: 's', fed: true },
] as const;

/** Addresses that are reached from other pages, the palette and jumps. */
export const MORE = [
  { to: '/sessions', word: 'Sessions', icon: Clapperboard, jump: 'e' },
  { to: '/files', word: 'Files', icon: FileDown, jump: 'x' },
  { to: '/reference', word: 'API reference', icon: BookOpen, jump: 'r' },
] as const;

export { Boxes };
