/** Buttons, states, panels, emptiness and failure. */
import { useEffect, useId, useRef, useState, type ButtonHTMLAttributes, type ReactNode } from 'react';
import { advice } from '../api/problem';
import { CircleAlert, CircleCheck, CircleDashed, CircleMinus, Copy, Check, TriangleAlert, X } from './icons';

type Look = 'normal' | 'primary' | 'danger' | 'plain';

export function Button({ look = 'normal', square = false, className = '', ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { look?: Look; square?: boolean }) {
  return <button type="button" className={`btn ${look === 'normal' ? '' : look} ${square ? 'square' : ''} ${className}`} {...rest} />;
}

export type Tone = 'good' | 'warn' | 'alarm' | 'quiet';

/** A state: shape, word and colour together. */
export function Mark({ tone, children, title }: { tone: Tone; children: ReactNode; title?: string | undefined }) {
  const Shape = { good: CircleCheck, warn: TriangleAlert, alarm: CircleAlert, quiet: CircleMinus }[tone];
  return (
    <span className={`mark ${tone}`} title={title}>
      <Shape className="icon" size={14} aria-hidden />
      {children}
    </span>
  );
}

export function Panel({ title, actions, children, flush = false, className = '' }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; flush?: boolean; className?: string }) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={title === undefined ? undefined : id}>
      {title !== undefined && (
        <header>
          <h2 id={id}>{title}</h2>
          {actions}
        </header>
      )}
      <div className={flush ? 'body flush' : 'body'}>{children}</div>
    </section>
  );
}

/** Wider than the screen: scrolls sideways, by keyboard too. */
export function ScrollX({ label, children }: { label: string; children: ReactNode }) {
  const ref = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const watch = new ResizeObserver(() => setWide(element.scrollWidth > element.clientWidth + 1));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return <div ref={ref} className="scroll-x" {...(wide ? { tabIndex: 0, role: 'group', 'aria-label': label } : {})}>{children}</div>;
}

/** What would be here, and how it comes. */
export function Empty({ title, children, slim = false, icon }: { title: string; children?: ReactNode; slim?: boolean; icon?: ReactNode }) {
  return (
    <div className={slim ? 'empty slim' : 'empty'}>
      {icon ?? (slim ? null : <CircleDashed className="icon" size={26} strokeWidth={1.5} aria-hidden />)}
      <b>{title}</b>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

/** What failed, what still works, what to do. */
export function Failed({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const { what, todo } = advice(error);
  return (
    <div className="failed" role="alert">
      <TriangleAlert className="icon" size={16} aria-hidden />
      <div className="grow">
        <b>{what}</b>
        <div className="muted small">{todo}</div>
      </div>
      {retry !== undefined && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

export function Ghosts({ lines = 4 }: { lines?: number }) {
  return (
    <div className="stack" aria-hidden>
      {Array.from({ length: lines }, (_, n) => (
        <span key={n} className="ghost" style={{ width: `${[88, 64, 76, 52, 70][n % 5] ?? 70}%` }} />
      ))}
    </div>
  );
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  return (
    <Button
      look="plain" square aria-label={`Copy ${what}`} title={`Copy ${what}`}
      onClick={(e) => {
        e.stopPropagation();
        void copy(text).then((ok) => {
          setDone(ok);
          setTimeout(() => setDone(false), 1500);
        });
      }}
    >
      {done ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </Button>
  );
}

/** The clipboard of an insecure origin needs the old way. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr';
    document.body.append(area);
    area.select();
    const ok = document.execCommand('copy');
    area.remove();
    return ok;
  }
}

/** A native dialog: focus stays inside, Escape closes, focus returns. */
export function Modal({ title, onClose, children, className = '' }: { title: string; onClose: () => void; children: ReactNode; className?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref} className={`modal ${className}`} aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onClick={(e) => {
        if (e.target === ref.current) onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <Button look="plain" square aria-label="Close" onClick={onClose}>
          <X size={16} aria-hidden />
        </Button>
      </header>
      <div className="body">{children}</div>
    </dialog>
  );
}

/** A button that opens a small menu under itself. */
export function Menu({ label, children, look = 'normal', square = false, name }: { label: ReactNode; children: (close: () => void) => ReactNode; look?: Look; square?: boolean; name: string }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        ref={button} type="button" className={`btn ${look === 'normal' ? '' : look} ${square ? 'square' : ''}`} aria-label={name} title={name} aria-expanded={open}
        aria-controls={id} popoverTarget={id}
      >
        {label}
      </button>
      <div
        ref={pop} id={id} popover="auto" className="menu" role="group" aria-label={name}
        onToggle={(e) => {
          const opened = e.newState === 'open';
          setOpen(opened);
          if (opened) (pop.current?.querySelector('button, input, a') as HTMLElement | null)?.focus();
        }}
        onBeforeToggle={(e) => {
          const at = button.current?.getBoundingClientRect();
          const box = pop.current;
          if (e.newState !== 'open' || at === undefined || box === null) return;
          // Towards the middle of the screen, so that it always fits.
          if (at.top > innerHeight / 2) {
            box.style.top = 'auto';
            box.style.bottom = `${innerHeight - at.top + 5}px`;
          } else {
            box.style.bottom = 'auto';
            box.style.top = `${at.bottom + 5}px`;
          }
          if (at.left > innerWidth / 2) {
            box.style.left = 'auto';
            box.style.right = `${Math.max(8, innerWidth - at.right)}px`;
          } else {
            box.style.right = 'auto';
            box.style.left = `${at.left}px`;
          }
        }}
        onKeyDown={(e) => {
          if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
          const all = [...(pop.current?.querySelectorAll<HTMLElement>('button, input') ?? [])];
          const at = all.indexOf(document.activeElement as HTMLElement);
          all[(at + (e.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length]?.focus();
          e.preventDefault();
        }}
      >
        {open && children(() => pop.current?.hidePopover())}
      </div>
    </>
  );
}
