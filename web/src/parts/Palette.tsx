/** Go anywhere, find anything, without the mouse. Loaded when first asked for. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import { signOut } from '../api/client';
import { attackers, deckies } from '../api/queries';
import { useSettled } from '../lib/hooks';
import { many } from '../lib/format';
import { isDark, setLooks, useLooks } from '../lib/theme';
import { Modal } from './Basics';
import { Keyboard, LogOut, Search, Server, SunMoon, UserRound, Activity, KeyRound } from './icons';
import { MORE, SECTIONS } from './sections';

type Choice = { id: string; group: string; word: string; hint?: string; icon: typeof Search; run: () => void };

export function Palette({ close, keys }: { close: () => void; keys: () => void }) {
  const navigate = useNavigate();
  const looks = useLooks();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const asked = useSettled(text.trim(), 160);
  const id = useId();
  const ref = useRef<HTMLDialogElement>(null);
  const found = useQuery({ ...attackers({ search: asked }, { limit: 6, offset: 0 }), enabled: asked.length >= 2 });
  const fleet = useQuery(deckies());

  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && document.contains(before)) before.focus();
    };
  }, []);

  const choices = useMemo(() => {
    const go = (run: () => void) => () => { close(); run(); };
    const low = text.trim().toLowerCase();
    const fits = (word: string): boolean => low === '' || word.toLowerCase().includes(low);
    const all: Choice[] = [...SECTIONS, ...MORE].filter((s) => fits(s.word)).map((s) => ({
      id: s.to, group: 'Go to', word: s.word, hint: `g ${s.jump}`, icon: s.icon, run: go(() => void navigate({ to: s.to })),
    }));
    if (low !== '') {
      for (const d of (fleet.data?.data ?? []).filter((x) => fits(x.name) || (x.decky_ip ?? '').includes(low)).slice(0, 5)) {
        all.push({ id: `d${d.host_uuid}${d.name}`, group: 'Deckies', word: d.name, hint: d.decky_ip ?? d.state, icon: Server, run: go(() => void navigate({ to: '/fleet/$decky', params: { decky: `${d.host_uuid}:${d.name}` } })) });
      }
      if (asked.length >= 2) {
        for (const a of found.data?.data ?? []) {
          all.push({ id: a.uuid, group: 'Attackers', word: a.ip, hint: many(a.event_count, 'event'), icon: UserRound, run: go(() => void navigate({ to: '/attackers/$ip', params: { ip: a.ip } })) });
        }
      }
      all.push({ id: 'events', group: 'Search', word: `Events with “${text.trim()}”`, icon: Activity, run: go(() => void navigate({ to: '/live', search: { q: text.trim() } })) });
      all.push({ id: 'creds', group: 'Search', word: `Credentials with “${text.trim()}”`, icon: KeyRound, run: go(() => void navigate({ to: '/credentials', search: { q: text.trim() } })) });
    }
    const actions: Choice[] = [
      { id: 'theme', group: 'Do', word: isDark() ? 'Light theme' : 'Dark theme', icon: SunMoon, run: () => { setLooks({ theme: isDark() ? 'light' : 'dark' }); close(); } },
      { id: 'density', group: 'Do', word: looks.density === 'dense' ? 'Roomy rows' : 'Dense rows', icon: SunMoon, run: () => { setLooks({ density: looks.density === 'dense' ? 'roomy' : 'dense' }); close(); } },
      { id: 'keys', group: 'Do', word: 'Keyboard help', hint: '?', icon: Keyboard, run: keys },
      { id: 'out', group: 'Do', word: 'Sign out', icon: LogOut, run: () => { close(); void signOut(); } },
    ];
    return all.concat(actions.filter((a) => fits(a.word)));
  }, [text, asked, found.data, fleet.data, looks, navigate, close, keys]);

  const now = Math.min(at, choices.length - 1);
  return (
    <dialog ref={ref} className="modal palette" aria-label="Go anywhere" onCancel={(e) => { e.preventDefault(); close(); }} onClick={(e) => { if (e.target === ref.current) close(); }}>
      <div className="ask">
        <Search className="icon faint" size={17} aria-hidden />
        <input
          autoFocus role="combobox" aria-expanded aria-controls={id} aria-activedescendant={`${id}-${now}`} aria-label="Where to, or what to find" aria-autocomplete="list" placeholder="A page, an address, a decky, a word"
          spellCheck={false} maxLength={200} value={text}
          onChange={(e) => { setText(e.target.value); setAt(0); }}
          onKeyDown={(e) => {
            if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
              e.preventDefault();
              const next = (now + (e.key === 'ArrowDown' ? 1 : choices.length - 1)) % Math.max(1, choices.length);
              setAt(next);
              document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' });
            } else if (e.key === 'Enter') {
              e.preventDefault();
              choices[now]?.run();
            }
          }}
        />
        <kbd>Esc</kbd>
      </div>
      <ul id={id} role="listbox" aria-label="Choices" tabIndex={-1}>
        {choices.map((c, n) => (
          <PaletteLine key={c.id} choice={c} id={`${id}-${n}`} here={n === now} first={choices[n - 1]?.group !== c.group} point={() => setAt(n)} />
        ))}
      </ul>
    </dialog>
  );
}

function PaletteLine({ choice, id, here, first, point }: { choice: Choice; id: string; here: boolean; first: boolean; point: () => void }) {
  return (
    <>
      {first && <li className="group" role="presentation">{choice.group}</li>}
      <li id={id} role="option" aria-selected={here} onPointerMove={point} onClick={choice.run}>
        <choice.icon className="icon" size={16} aria-hidden />
        <span className="clip grow">{choice.word}</span>
        {choice.hint !== undefined && <span className="faint tiny mono">{choice.hint}</span>}
      </li>
    </>
  );
}

const HELP: [string, [string, string][]][] = [
  ['Everywhere', [['Ctrl K', 'Go anywhere'], ['/', 'Search this page'], ['?', 'This help'], ['Esc', 'Close what is on top']]],
  ['Lists', [['↑ ↓  j k', 'Move'], ['Enter', 'Open'], ['Space  x', 'Choose for export'], ['Home End', 'First, last'], ['r', 'Show what is new']]],
  ['Live', [['p', 'Pause and go on'], ['Esc', 'Close the detail']]],
  ['Replay', [['Space', 'Play, pause'], ['← →', 'Five seconds'], ['[ ]', 'Command before, after'], ['< >', 'Slower, faster']]],
];

export function KeysHelp({ close }: { close: () => void }) {
  return (
    <Modal title="Keys" onClose={close} className="wide">
      <div className="keys">
        <section>
          <h3>Go to: g, then</h3>
          <dl>
            {[...SECTIONS, ...MORE].map((s) => (
              <KeyLine key={s.to} k={`g ${s.jump}`} does={s.word} />
            ))}
          </dl>
        </section>
        <div className="stack">
          {HELP.map(([name, lines]) => (
            <section key={name}>
              <h3>{name}</h3>
              <dl>{lines.map(([k, does]) => <KeyLine key={k} k={k} does={does} />)}</dl>
            </section>
          ))}
        </div>
      </div>
      <p className="faint tiny">Keys do nothing while you type in a field.</p>
    </Modal>
  );
}

function KeyLine({ k, does }: { k: string; does: string }) {
  return (
    <>
      <dt><kbd>{k}</kbd></dt>
      <dd>{does}</dd>
    </>
  );
}
