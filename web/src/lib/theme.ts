/** What the viewer chose about looks; kept in this browser only. */
import { useSyncExternalStore } from 'react';

export type Theme = 'auto' | 'dark' | 'light';
export type Density = 'dense' | 'roomy';
export type Looks = { theme: Theme; density: Density; utc: boolean };

const KEY = 'decnet.looks';
const listeners = new Set<() => void>();
let looks: Looks = load();

function load(): Looks {
  const base: Looks = { theme: 'auto', density: 'dense', utc: false };
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    if (typeof kept !== 'object' || kept === null) return base;
    const k = kept as Partial<Looks>;
    return {
      theme: k.theme === 'dark' || k.theme === 'light' ? k.theme : 'auto',
      density: k.density === 'roomy' ? 'roomy' : 'dense',
      utc: k.utc === true,
    };
  } catch {
    return base;
  }
}

export function applyLooks(): void {
  const root = document.documentElement;
  if (looks.theme === 'auto') delete root.dataset['theme'];
  else root.dataset['theme'] = looks.theme;
  root.dataset['density'] = looks.density;
}

export function setLooks(change: Partial<Looks>): void {
  looks = { ...looks, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(looks));
  } catch {
    // A browser that keeps nothing still shows it for this visit.
  }
  applyLooks();
  for (const tell of listeners) tell();
}

export function useLooks(): Looks {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => looks,
  );
}

/** Whether dark is on the screen now. */
export function isDark(): boolean {
  return looks.theme === 'auto' ? !matchMedia('(prefers-color-scheme: light)').matches : looks.theme === 'dark';
}
