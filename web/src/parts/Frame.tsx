/** What stands around every page: the rail, the stream's state, the palette, the keys. */
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { signOut } from '../api/client';
import { useLive, useLivePhase } from '../api/live';
import { deckies, stats, workers } from '../api/queries';
import { useSession } from '../api/session';
import { useKey } from '../lib/keys';
import { isDark, setLooks, useLooks } from '../lib/theme';
import { ago, many, short } from '../lib/format';
import { useNow } from '../lib/now';
import { usePhone } from '../lib/hooks';
import mark from '../style/mark.svg';
import { Button, Mark, Modal } from './Basics';
import { LogOut, Menu as MenuIcon, Moon, Search, Sun, Unplug } from './icons';
import { MORE, SECTIONS } from './sections';
import { Toasts } from './toast';
import { SignIn } from '../pages/SignIn';

const Palette = lazy(() => import('./Palette').then((m) => ({ default: m.Palette })));
const KeysHelp = lazy(() => import('./Palette').then((m) => ({ default: m.KeysHelp })));

export function Frame() {
  const session = useSession();
  if (session === null || session.mustChange) {
    return (
      <>
        <SignIn session={session} />
        <Toasts />
      </>
    );
  }
  return <Signed />;
}

type Over = 'palette' | 'keys' | 'more' | null;

function Signed() {
  const [over, setOver] = useState<Over>(null);
  const phone = usePhone();
  const close = useCallback(() => setOver(null), []);
  // There before it is asked for, so that no letter typed into it is lost.
  useEffect(() => {
    const timer = setTimeout(() => void import('./Palette'), 400);
    return () => clearTimeout(timer);
  }, []);
  useKey('mod+k', useCallback(() => setOver((o) => (o === 'palette' ? null : 'palette')), []));
  useKey('?', useCallback(() => setOver('keys'), []));
  useKey('/', useCallback(() => {
    const field = document.querySelector<HTMLInputElement>('#main input[type="search"]');
    if (field === null) setOver('palette');
    else {
      field.focus();
      field.select();
    }
  }, []));
  return (
    <>
      <a className="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the page</a>
      {[...SECTIONS, ...MORE].map((s) => <Jump key={s.to} to={s.to} jump={s.jump} />)}
      <div className="frame">
        {!phone && <Rail find={() => setOver('palette')} />}
        <div className="grow">
          <Outage />
          <Outlet />
        </div>
      </div>
      {phone && <Bottom more={() => setOver('more')} />}
      {over === 'more' && <More close={close} find={() => setOver('palette')} />}
      <Suspense fallback={null}>
        {over === 'palette' && <Palette close={close} keys={() => setOver('keys')} />}
        {over === 'keys' && <KeysHelp close={close} />}
      </Suspense>
      <Toasts />
    </>
  );
}

function Jump({ to, jump }: { to: string; jump: string }) {
  const navigate = useNavigate();
  useKey(`g ${jump}`, useCallback(() => void navigate({ to }), [navigate, to]));
  return null;
}

/** Small numbers in the rail: who is here now, what is not well. */
function useNumbers(): Record<string, { n: string; tone: 'alarm' | 'warn' | ''; says: string } | undefined> {
  const s = useQuery(stats()).data;
  const w = useQuery(workers()).data;
  const d = useQuery(deckies()).data;
  const down = w?.workers.filter((x) => x.status === 'stale' || x.state === 'failing').length ?? 0;
  const failed = d?.data.filter((x) => x.state === 'failed').length ?? 0;
  const ill = d?.data.filter((x) => x.state === 'degraded').length ?? 0;
  return {
    '/attackers': s !== undefined && s.attackers_now > 0 ? { n: `${short(s.attackers_now)} now`, tone: 'warn', says: 'seen in the last five minutes' } : undefined,
    '/fleet': failed > 0 ? { n: `${failed} failed`, tone: 'alarm', says: 'deckies that do not run' } : ill > 0 ? { n: `${ill} ill`, tone: 'warn', says: 'deckies that do not run well' } : d !== undefined && d.total > 0 ? { n: short(d.total), tone: '', says: 'deckies' } : undefined,
    '/workers': down > 0 ? { n: `${down} down`, tone: 'alarm', says: 'workers that do not answer' } : undefined,
  };
}

function Rail({ find }: { find: () => void }) {
  const numbers = useNumbers();
  return (
    <aside className="rail">
      <Link to="/" className="brand" aria-label="decnet, overview">
        <img src={mark} alt="" />
        <span>decnet</span>
      </Link>
      <button type="button" className="find" onClick={find} title="Go anywhere" aria-keyshortcuts="Control+K">
        <Search className="icon" size={14} aria-hidden />
        <span className="grow">Go anywhere</span>
        <kbd>{/Mac/.test(navigator.platform) ? '⌘' : 'Ctrl'} K</kbd>
      </button>
      <nav aria-label="Sections">
        {SECTIONS.map((s) => {
          const number = numbers[s.to];
          return (
            <Link key={s.to} to={s.to} className={s.fed ? 'rail-link' : 'rail-link unfed'} activeOptions={{ exact: s.to === '/', includeSearch: false }} title={s.word} search={{}}>
              <s.icon className="icon" size={16} strokeWidth={1.8} aria-hidden />
              <span className="word">{s.word}</span>
              {number !== undefined && <span className={`n ${number.tone}`} title={number.says}>{number.n}</span>}
            </Link>
          );
        })}
      </nav>
      <div className="rail-foot">
        <Pulse />
        <Who />
      </div>
    </aside>
  );
}

function Pulse() {
  const { phase, perMinute } = useLive();
  if (phase === 'open') {
    return (
      <div className="pulse" title="The live stream is open">
        <span className="mark good"><span className="dot" aria-hidden /></span>
        <span>Live{perMinute > 0 && ` · ${short(perMinute)} a minute`}</span>
      </div>
    );
  }
  return (
    <div className="pulse" role="status">
      <span className="mark warn"><span className="dot ring" aria-hidden /></span>
      <span>{phase === 'broken' ? 'Reconnecting' : 'Connecting'}</span>
    </div>
  );
}

function Who() {
  const session = useSession();
  useLooks();
  const dark = isDark();
  return (
    <div className="who">
      <Link to="/settings" className="name small">
        <b className="clip">{session?.username}</b>
        <span className="faint tiny">{session?.role === 'admin' ? 'Administrator' : 'Viewer'}</span>
      </Link>
      <Button look="plain" square aria-label={dark ? 'Light theme' : 'Dark theme'} title={dark ? 'Light theme' : 'Dark theme'} onClick={() => setLooks({ theme: dark ? 'light' : 'dark' })}>
        {dark ? <Sun size={15} aria-hidden /> : <Moon size={15} aria-hidden />}
      </Button>
      <Button look="plain" square aria-label="Sign out" title="Sign out" onClick={() => void signOut()}>
        <LogOut size={15} aria-hidden />
      </Button>
    </div>
  );
}

function Outage() {
  const phase = useLivePhase();
  const { since } = useLive();
  const now = useNow();
  if (phase !== 'broken' || now - since < 4000) return null;
  return (
    <div className="outage" role="status">
      <Unplug className="icon" size={16} aria-hidden />
      <span>
        The live stream broke {ago(new Date(since).toISOString(), now)}. What you see may be old; capture goes on, and nothing is missed: the page reconnects by itself and continues where it stopped.
      </span>
    </div>
  );
}

function Bottom({ more }: { more: () => void }) {
  const s = useQuery(stats()).data;
  return (
    <nav className="bottom" aria-label="Sections">
      {SECTIONS.filter((x) => ['/', '/live', '/attackers', '/fleet'].includes(x.to)).map((x) => (
        <Link key={x.to} to={x.to} activeOptions={{ exact: x.to === '/', includeSearch: false }} search={{}}>
          <x.icon size={19} strokeWidth={1.8} aria-hidden />
          {x.word}
          {x.to === '/attackers' && s !== undefined && s.attackers_now > 0 && <span className="mark warn dot"><span className="sr">{many(s.attackers_now, 'attacker')} now</span></span>}
        </Link>
      ))}
      <button type="button" onClick={more}>
        <MenuIcon size={19} strokeWidth={1.8} aria-hidden />
        More
      </button>
    </nav>
  );
}

function More({ close, find }: { close: () => void; find: () => void }) {
  useLooks();
  const dark = isDark();
  return (
    <Modal title="decnet" onClose={close}>
      <div className="stack">
        <Button onClick={find}><Search size={15} aria-hidden /> Go anywhere</Button>
        <div className="more-links">
          {[...SECTIONS, ...MORE].map((s) => (
            <Link key={s.to} to={s.to} className="rail-link" onClick={close}>
              <s.icon className="icon" size={17} aria-hidden />
              {s.word}
            </Link>
          ))}
        </div>
        <Pulse />
        <div className="row wrap">
          <Button onClick={() => setLooks({ theme: dark ? 'light' : 'dark' })}>{dark ? 'Light theme' : 'Dark theme'}</Button>
          <Button onClick={() => void signOut()}><LogOut size={15} aria-hidden /> Sign out</Button>
        </div>
      </div>
    </Modal>
  );
}

export { Mark };
