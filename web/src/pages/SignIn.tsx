/** The door: sign in, and the forced change of a first password. */
import { useState, type FormEvent } from 'react';
import { changePassword, signIn, signOut } from '../api/client';
import { ApiError, advice } from '../api/problem';
import { whyEnded, type Session } from '../api/session';
import { useTitle } from '../lib/hooks';
import mark from '../style/mark.svg';
import { Button } from '../parts/Basics';
import { PasswordFields, passwordFault } from '../parts/Password';
import { TriangleAlert } from '../parts/icons';

export function SignIn({ session }: { session: Session | null }) {
  useTitle(session === null ? 'Sign in' : 'Choose a password');
  return (
    <main className="door" id="main" tabIndex={-1}>
      <div className="door-box">
        <div className="door-brand">
          <img src={mark} alt="" />
          <span>decnet</span>
        </div>
        {session === null ? <Credentials /> : <FirstPassword session={session} />}
      </div>
    </main>
  );
}

function Fault({ error, on401 }: { error: unknown; on401: string }) {
  if (error === null) return null;
  const { what, todo } = error instanceof ApiError && error.status === 401 ? { what: on401, todo: '' } : advice(error);
  return (
    <p className="mark alarm fault" role="alert">
      <TriangleAlert className="icon" size={15} aria-hidden />
      <span>{what} {todo}</span>
    </p>
  );
}

function Credentials() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const ended = whyEnded();
  const submit = (e: FormEvent): void => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    signIn(name, password)
      .catch((fault: unknown) => setError(fault))
      .finally(() => setBusy(false));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <h1>Sign in</h1>
      {ended !== null && error === null && <p className="muted small" role="status">{ended}</p>}
      <label className="field">
        <span>User name</span>
        <input className="input big" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={64} required autoFocus value={name} onChange={(e) => setName(e.target.value)} />
      </label>
      <label className="field">
        <span>Password</span>
        <input className="input big" name="password" type="password" autoComplete="current-password" maxLength={128} required value={password} onChange={(e) => setPassword(e.target.value)} />
      </label>
      <Fault error={error} on401="That name and password do not belong together." />
      <Button type="submit" look="primary" className="big" disabled={busy}>{busy ? 'Signing in…' : 'Sign in'}</Button>
      <p className="faint tiny">The first start printed a one-time password for <code>admin</code>. Lost it? On the host, <code>decnet user --help</code> says how to set a new one.</p>
    </form>
  );
}

function FirstPassword({ session }: { session: Session }) {
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const fault = passwordFault(fresh, again);
  const submit = (e: FormEvent): void => {
    e.preventDefault();
    if (fault !== null) return;
    setBusy(true);
    setError(null);
    changePassword(old, fresh)
      .catch((f: unknown) => setError(f))
      .finally(() => setBusy(false));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <h1>Choose your own password</h1>
      <p className="muted small">The password of <b>{session.username}</b> was set by somebody else. Nothing else is open until you change it.</p>
      <input className="sr" tabIndex={-1} aria-hidden name="username" autoComplete="username" value={session.username} readOnly />
      <PasswordFields old={old} setOld={setOld} fresh={fresh} setFresh={setFresh} again={again} setAgain={setAgain} oldLabel="Password you just used" />
      <Fault error={error} on401="The present password is not right." />
      <Button type="submit" look="primary" className="big" disabled={busy || fault !== null || old === ''}>{busy ? 'Changing…' : 'Change and go on'}</Button>
      <Button look="plain" onClick={() => void signOut()}>Sign out</Button>
    </form>
  );
}
