/** Short words about what was just done. */
import { useSyncExternalStore } from 'react';
import { advice } from '../api/problem';
import { CircleCheck, TriangleAlert } from './icons';

type Note = { id: number; text: string; bad: boolean };
let notes: Note[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(all: Note[]): void {
  notes = all;
  for (const tell of listeners) tell();
}

export function say(text: string, bad = false): void {
  const id = next++;
  set([...notes, { id, text, bad }].slice(-4));
  setTimeout(() => set(notes.filter((n) => n.id !== id)), bad ? 9000 : 4500);
}

export function sayFailed(error: unknown): void {
  const { what, todo } = advice(error);
  say(`${what} ${todo}`, true);
}

export function Toasts() {
  const all = useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => notes,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {all.map((note) => (
        <div key={note.id} className="toast">
          <span className={note.bad ? 'mark warn' : 'mark good'}>{note.bad ? <TriangleAlert className="icon" size={15} aria-hidden /> : <CircleCheck className="icon" size={15} aria-hidden />}</span>
          <span>{note.text}</span>
        </div>
      ))}
    </div>
  );
}
