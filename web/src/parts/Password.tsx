/** The three fields of a change of password, and what is wrong with them. */

export const LEAST = 12;
const MOST_BYTES = 128;

/** What is wrong with a new password, or nothing. */
export function passwordFault(fresh: string, again: string | null): string | null {
  if ([...fresh].length < LEAST) return `At least ${LEAST} characters; ${Math.max(0, LEAST - [...fresh].length)} to go.`;
  if (new TextEncoder().encode(fresh).length > MOST_BYTES) return `At most ${MOST_BYTES} bytes.`;
  if (again !== null && again !== fresh) return 'The two do not match yet.';
  return null;
}

type Props = {
  old: string; setOld: (v: string) => void; fresh: string; setFresh: (v: string) => void; again: string; setAgain: (v: string) => void; oldLabel?: string;
};

export function PasswordFields({ old, setOld, fresh, setFresh, again, setAgain, oldLabel = 'Present password' }: Props) {
  const fault = fresh === '' ? `At least ${LEAST} characters. A sentence is good.` : (passwordFault(fresh, again) ?? 'Good.');
  return (
    <>
      <label className="field">
        <span>{oldLabel}</span>
        <input className="input big" type="password" name="old_password" autoComplete="current-password" required value={old} onChange={(e) => setOld(e.target.value)} />
      </label>
      <label className="field">
        <span>New password</span>
        <input className="input big" type="password" name="new_password" autoComplete="new-password" required value={fresh} onChange={(e) => setFresh(e.target.value)} aria-describedby="password-hint" />
      </label>
      <label className="field">
        <span>New password again</span>
        <input className="input big" type="password" name="again" autoComplete="new-password" required value={again} onChange={(e) => setAgain(e.target.value)} />
        <span className="hint" id="password-hint" aria-live="polite">{fault}</span>
      </label>
    </>
  );
}
