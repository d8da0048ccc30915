/** The own account, how the page looks, who may sign in, and forgetting everything. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { ask, changePassword, signOut } from '../api/client';
import { settings, users, version } from '../api/queries';
import { ApiError, advice } from '../api/problem';
import { useIsAdmin, useSession } from '../api/session';
import type { Purged, UserRow } from '../api/types';
import { count, duration } from '../lib/format';
import { useTitle } from '../lib/hooks';
import { setLooks, useLooks, type Density, type Theme } from '../lib/theme';
import { Button, CopyButton, Empty, Failed, Ghosts, Mark, Modal, Panel, ScrollX } from '../parts/Basics';
import { Plus, TriangleAlert } from '../parts/icons';
import { LEAST, PasswordFields, passwordFault } from '../parts/Password';
import { say, sayFailed } from '../parts/toast';

export function Settings() {
  useTitle('Settings');
  const admin = useIsAdmin();
  const tabs = [['account', 'Your account'], ['looks', 'Looks'], ...(admin ? [['people', 'People']] : []), ['about', 'About']] as [string, string][];
  const { tab: asked } = useSearch({ from: '/settings' });
  const tab = tabs.find((t) => t[0] === asked)?.[0] ?? 'account';
  return (
    <main className="page narrow" id="main" tabIndex={-1}>
      <header className="page-head"><div className="title"><h1>Settings</h1></div></header>
      <nav className="tabs" aria-label="Settings">
        {tabs.map(([id, word]) => <Link key={id} to="/settings" search={{ tab: id === 'account' ? undefined : id }} activeOptions={{ exact: true, explicitUndefined: true }} aria-current={tab === id ? 'page' : undefined}>{word}</Link>)}
      </nav>
      {tab === 'account' && <Account />}
      {tab === 'looks' && <LooksTab />}
      {tab === 'people' && <People />}
      {tab === 'about' && <About />}
    </main>
  );
}

export function Fault({ error, wrong }: { error: unknown; wrong?: string }) {
  if (error === null || error === undefined) return null;
  const { what, todo } = error instanceof ApiError && error.status === 401 && wrong !== undefined ? { what: wrong, todo: '' } : error instanceof ApiError && (error.status === 409 || error.status === 422) ? { what: error.detail, todo: '' } : advice(error);
  return <p className="mark alarm fault" role="alert"><TriangleAlert className="icon" size={15} aria-hidden /><span>{what} {todo}</span></p>;
}

function Account() {
  const session = useSession();
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const change = useMutation({
    mutationFn: () => changePassword(old, fresh),
    onSuccess: () => { say('Your password is changed. Other places where you were signed in are signed out.'); setOld(''); setFresh(''); setAgain(''); },
  });
  const submit = (e: FormEvent): void => { e.preventDefault(); change.mutate(); };
  return (
    <div className="stack wide-gap">
      <Panel title="Signed in">
        <div className="row spread wrap"><p><b>{session?.username}</b> <span className="muted">{session?.role === 'admin' ? 'may change everything' : 'may see everything but the bytes of captured files'}</span></p><Button onClick={() => void signOut()}>Sign out</Button></div>
      </Panel>
      <Panel title="Change your password">
        <form className="stack form" onSubmit={submit}>
          <input className="sr" tabIndex={-1} aria-hidden name="username" autoComplete="username" value={session?.username ?? ''} readOnly />
          <PasswordFields old={old} setOld={setOld} fresh={fresh} setFresh={setFresh} again={again} setAgain={setAgain} />
          <Fault error={change.error} wrong="The present password is not right." />
          <div><Button type="submit" look="primary" disabled={change.isPending || old === '' || passwordFault(fresh, again) !== null}>Change password</Button></div>
        </form>
      </Panel>
    </div>
  );
}

function Choice<T extends string>({ name, value, all, set }: { name: string; value: T; all: [T, string][]; set: (v: T) => void }) {
  return (
    <div className="setting">
      <span>{name}</span>
      <div className="segment" role="group" aria-label={name}>
        {all.map(([id, word]) => <button key={id} type="button" aria-pressed={value === id} onClick={() => set(id)}>{word}</button>)}
      </div>
    </div>
  );
}

function LooksTab() {
  const looks = useLooks();
  return (
    <Panel title="Looks">
      <div className="stack wide-gap">
        <Choice<Theme> name="Theme" value={looks.theme} all={[['auto', 'As the system'], ['dark', 'Dark'], ['light', 'Light']]} set={(theme) => setLooks({ theme })} />
        <Choice<Density> name="Rows" value={looks.density} all={[['dense', 'Dense'], ['roomy', 'Roomy']]} set={(density) => setLooks({ density })} />
        <p className="muted small">Kept in this browser. Times are shown in your zone; point at one for UTC. Motion follows your system.</p>
      </div>
    </Panel>
  );
}

/** A password nobody has to think of: 96 bits in words a person can read out. */
function propose(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (b, n) => (n > 0 && n % 5 === 0 ? '-' : '') + (letters[b % letters.length] ?? 'x')).join('');
}

function People() {
  const q = useQuery(users());
  const client = useQueryClient();
  const me = useSession();
  const [adding, setAdding] = useState(false);
  const [reset, setReset] = useState<UserRow | null>(null);
  const [removing, setRemoving] = useState<UserRow | null>(null);
  const fresh = (): void => void client.invalidateQueries({ queryKey: ['users'] });
  const role = useMutation({ mutationFn: ({ u, role: r }: { u: UserRow; role: string }) => ask('PUT', `/config/users/${u.uuid}/role`, { body: { role: r } }), onSuccess: (_, { u, role: r }) => { say(`${u.username} is now ${r === 'admin' ? 'an administrator' : 'a viewer'}.`); fresh(); }, onError: sayFailed });
  const remove = useMutation({ mutationFn: (u: UserRow) => ask('DELETE', `/config/users/${u.uuid}`), onSuccess: (_, u) => { say(`${u.username} is removed and signed out.`); fresh(); }, onError: sayFailed });
  return (
    <>
      <Panel title="People" flush actions={<Button onClick={() => setAdding(true)}><Plus size={14} aria-hidden /> Add a person</Button>}>
        {q.error !== null && q.data === undefined ? <div style={{ padding: 16 }}><Failed error={q.error} retry={() => void q.refetch()} /></div> : q.data === undefined ? <div style={{ padding: 16 }}><Ghosts /></div> : q.data.data.length === 0 ? <Empty slim title="Nobody." /> : (
          <ScrollX label="People">
            <table className="plain-table">
              <thead><tr><th>Name</th><th>May</th><th>Password</th><th><span className="sr">Do</span></th></tr></thead>
              <tbody>
                {q.data.data.map((u) => {
                  const self = u.username === me?.username;
                  return (
                    <tr key={u.uuid}>
                      <td><b>{u.username}</b>{self && <span className="faint small"> you</span>}</td>
                      <td>
                        <select className="input" aria-label={`Role of ${u.username}`} value={u.role} disabled={self || role.isPending} onChange={(e) => role.mutate({ u, role: e.target.value })}>
                          <option value="viewer">see (viewer)</option>
                          <option value="admin">change everything (admin)</option>
                        </select>
                      </td>
                      <td>{u.must_change_password ? <Mark tone="quiet">to be changed at sign-in</Mark> : <span className="muted small">own</span>}</td>
                      <td className="right">
                        {!self && <span className="row" style={{ justifyContent: 'flex-end' }}><Button look="plain" onClick={() => setReset(u)}>New password</Button><Button look="danger" onClick={() => setRemoving(u)}>Remove</Button></span>}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </ScrollX>
        )}
      </Panel>
      {adding && <AddPerson close={() => setAdding(false)} done={fresh} />}
      {reset !== null && <ResetPerson user={reset} close={() => setReset(null)} done={fresh} />}
      {removing !== null && (
        <Modal title={`Remove ${removing.username}?`} onClose={() => setRemoving(null)}>
          <p>The account is gone at once and signed out everywhere. What was recorded stays.</p>
          <div className="ends"><Button onClick={() => setRemoving(null)}>Keep</Button><Button look="danger" autoFocus onClick={() => { remove.mutate(removing); setRemoving(null); }}>Remove {removing.username}</Button></div>
        </Modal>
      )}
    </>
  );
}

function OneTime({ value, set }: { value: string; set: (v: string) => void }) {
  return (
    <label className="field">
      <span>One-time password</span>
      <span className="row"><input className="input big mono" value={value} onChange={(e) => set(e.target.value)} spellCheck={false} autoComplete="off" name="one_time" /><CopyButton text={value} what="the password" /></span>
      <span className="hint">At least {LEAST} characters. Hand it over yourself; it must be changed at the first sign-in and is not shown again.</span>
    </label>
  );
}

function AddPerson({ close, done }: { close: () => void; done: () => void }) {
  const [username, setName] = useState('');
  const [password, setPassword] = useState(propose);
  const [role, setRole] = useState('viewer');
  const add = useMutation({ mutationFn: () => ask('POST', '/config/users', { body: { username, password, role } }), onSuccess: () => { say(`${username} can sign in now.`); done(); close(); } });
  return (
    <Modal title="Add a person" onClose={close}>
      <form className="stack" onSubmit={(e) => { e.preventDefault(); add.mutate(); }}>
        <label className="field"><span>Name</span><input className="input big" required maxLength={64} pattern="[A-Za-z0-9._@\-]+" title="Letters, digits and . _ - @" autoFocus autoComplete="off" autoCapitalize="none" spellCheck={false} value={username} onChange={(e) => setName(e.target.value)} /></label>
        <label className="field"><span>May</span><select className="input" value={role} onChange={(e) => setRole(e.target.value)}><option value="viewer">see everything but the bytes of captured files (viewer)</option><option value="admin">change everything (admin)</option></select></label>
        <OneTime value={password} set={setPassword} />
        <Fault error={add.error} />
        <div className="ends"><Button onClick={close}>Cancel</Button><Button type="submit" look="primary" disabled={add.isPending || username === '' || passwordFault(password, null) !== null}>Add</Button></div>
      </form>
    </Modal>
  );
}

function ResetPerson({ user, close, done }: { user: UserRow; close: () => void; done: () => void }) {
  const [password, setPassword] = useState(propose);
  const set = useMutation({ mutationFn: () => ask('PUT', `/config/users/${user.uuid}/reset-password`, { body: { new_password: password } }), onSuccess: () => { say(`${user.username} is signed out and has a one-time password.`); done(); close(); } });
  return (
    <Modal title={`New password for ${user.username}`} onClose={close}>
      <form className="stack" onSubmit={(e) => { e.preventDefault(); set.mutate(); }}>
        <OneTime value={password} set={setPassword} />
        <Fault error={set.error} />
        <div className="ends"><Button onClick={close}>Cancel</Button><Button type="submit" look="primary" disabled={set.isPending || passwordFault(password, null) !== null}>Set it</Button></div>
      </form>
    </Modal>
  );
}

function About() {
  const c = useQuery(settings());
  const v = useQuery(version());
  const admin = useIsAdmin();
  const [purging, setPurging] = useState(false);
  return (
    <div className="stack wide-gap">
      <Panel title="This installation">
        {c.data === undefined ? (c.error !== null ? <Failed error={c.error} retry={() => void c.refetch()} /> : <Ghosts lines={3} />) : (
          <dl className="facts">
            <dt>Version</dt><dd>decnet {c.data.version}</dd>
            <dt>Database</dt><dd>{c.data.database}</dd>
            {v.data !== undefined && <><dt>Up for</dt><dd>{duration(v.data.uptime_seconds * 1e6)}</dd></>}
            <dt>Session</dt><dd>renewed by itself for {duration(c.data.session_seconds * 1e6)}, then sign in again</dd>
            <dt>Streams</dt><dd>{c.data.streams_per_user} open pages for each account</dd>
            <dt>API</dt><dd><Link className="link" to="/reference">Reference</Link></dd>
          </dl>
        )}
      </Panel>
      {admin && (
        <Panel title="Forget everything">
          <div className="row spread wrap"><p className="muted small grow">Deletes every recorded event, session, credential and attacker from the database. People and deckies stay. There is no way back.</p><Button look="danger" onClick={() => setPurging(true)}>Delete what was recorded</Button></div>
        </Panel>
      )}
      {purging && <Purge close={() => setPurging(false)} />}
    </div>
  );
}

function Purge({ close }: { close: () => void }) {
  const [word, setWord] = useState('');
  const client = useQueryClient();
  const purge = useMutation({
    mutationFn: () => ask<Purged>('DELETE', '/config/reinit', { query: { confirm: 'purge' } }),
    onSuccess: (r) => { say(`${count(Object.values(r.deleted).reduce((a, b) => a + b, 0))} rows deleted.`); void client.invalidateQueries(); close(); },
  });
  return (
    <Modal title="Delete what was recorded?" onClose={close}>
      <form className="stack" onSubmit={(e) => { e.preventDefault(); if (word === 'purge') purge.mutate(); }}>
        <p>Every event, session, credential and attacker is deleted for good. Export first what you may need.</p>
        <label className="field"><span>Type <code>purge</code> to go on</span><input className="input big mono" value={word} onChange={(e) => setWord(e.target.value)} autoFocus autoComplete="off" spellCheck={false} /></label>
        <Fault error={purge.error} />
        <div className="ends"><Button onClick={close}>Keep everything</Button><Button type="submit" look="danger" disabled={word !== 'purge' || purge.isPending}>Delete</Button></div>
      </form>
    </Modal>
  );
}
