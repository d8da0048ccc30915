/** The keyboard: one listener, `g a` style jumps, nothing while somebody types. */
import { useEffect } from 'react';

type Action = (event: KeyboardEvent) => void;
const single = new Map<string, Action[]>();
let pending: { key: string; at: number } | null = null;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function onKey(event: KeyboardEvent): void {
  const wide = event.ctrlKey || event.metaKey;
  const run = (name: string): boolean => {
    const action = single.get(name)?.at(-1);
    if (action === undefined) return false;
    event.preventDefault();
    action(event);
    return true;
  };
  if (wide) {
    if (!event.altKey && !event.shiftKey) run(`mod+${event.key.toLowerCase()}`);
    return;
  }
  if (event.altKey || typing(event.target) || document.querySelector('dialog[open]') !== null) return;
  if (pending !== null && Date.now() - pending.at < 1200) {
    const name = `${pending.key} ${event.key}`;
    pending = null;
    if (run(name)) return;
  }
  pending = null;
  if ([...single.keys()].some((k) => k.startsWith(`${event.key} `))) {
    pending = { key: event.key, at: Date.now() };
    return;
  }
  run(event.key);
}

let listening = false;

/** `mod+k` is Ctrl or Command; `g a` is one after the other. The newest binding of a key wins. */
export function useKey(name: string, action: Action): void {
  useEffect(() => {
    if (!listening) {
      listening = true;
      addEventListener('keydown', onKey);
    }
    const all = single.get(name) ?? [];
    single.set(name, [...all, action]);
    return () => {
      const rest = (single.get(name) ?? []).filter((a) => a !== action);
      if (rest.length === 0) single.delete(name);
      else single.set(name, rest);
    };
  }, [name, action]);
}
