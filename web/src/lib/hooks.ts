/** Small habits of the page. */
import { useCallback, useEffect, useRef, useState, useSyncExternalStore, type RefObject } from 'react';

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    useCallback(
      (tell: () => void) => {
        const list = matchMedia(query);
        list.addEventListener('change', tell);
        return () => list.removeEventListener('change', tell);
      },
      [query],
    ),
    () => matchMedia(query).matches,
  );
}

export const usePhone = (): boolean => useMedia('(max-width: 720px)');

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'decnet' : `${title} · decnet`;
  }, [title]);
}

/** `value`, `ms` after it stopped changing. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Whether somebody points at or works inside an element. What is pointed at must not move. */
export function useTouched(ref: RefObject<HTMLElement | null>): boolean {
  const [touched, setTouched] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    let over = false;
    let inside = false;
    const tell = (): void => setTouched(over || inside);
    const enter = (): void => { over = true; tell(); };
    const leave = (): void => { over = false; tell(); };
    const focus = (): void => { inside = element.matches(':focus-within:has(:focus-visible)'); tell(); };
    const blur = (): void => { inside = false; tell(); };
    element.addEventListener('pointerenter', enter);
    element.addEventListener('pointerleave', leave);
    element.addEventListener('focusin', focus);
    element.addEventListener('focusout', blur);
    return () => {
      element.removeEventListener('pointerenter', enter);
      element.removeEventListener('pointerleave', leave);
      element.removeEventListener('focusin', focus);
      element.removeEventListener('focusout', blur);
    };
  }, [ref]);
  return touched;
}

/** The newest value, held still while `hold`. */
export function useHeld<T>(value: T, hold: boolean): T {
  const kept = useRef(value);
  if (!hold) kept.current = value;
  return kept.current;
}

/** Something remembered in this browser under a name. */
export function useKept<T>(name: string, start: T): [T, (next: T) => void] {
  const [value, setValue] = useState<T>(() => {
    try {
      const text = localStorage.getItem(`decnet.${name}`);
      return text === null ? start : (JSON.parse(text) as T);
    } catch {
      return start;
    }
  });
  return [
    value,
    (next) => {
      setValue(next);
      try {
        localStorage.setItem(`decnet.${name}`, JSON.stringify(next));
      } catch {
        // For this visit only, then.
      }
    },
  ];
}
