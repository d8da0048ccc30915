/** Text of attackers, times, nouns: the words that appear on every page. */
import { Link } from '@tanstack/react-router';
import { memo, useState, type ReactNode } from 'react';
import { ago, clock, deckyName, full, moment, utc } from '../lib/format';
import { useNow } from '../lib/now';
import { cut, pieces, plain } from '../lib/text';

function Pieces({ text }: { text: string }): ReactNode {
  return pieces(text).map((piece, n) => (piece.shown ? piece.text : <i key={n}>{piece.text}</i>));
}

/** Text an attacker sent: fixed font, hidden characters named, long text cut with a way to see all. Never markup. */
export const Captured = memo(function Captured({ text, limit = 400, one = false, className = '' }: { text: string; limit?: number; one?: boolean; className?: string }) {
  const [whole, setWhole] = useState(false);
  if (one) {
    const [head, more] = cut(text, 600);
    return (
      <span className={`captured one ${className}`} dir="ltr" title={text.length > 60 ? plain(cut(text, 1500)[0]) : undefined}>
        <Pieces text={head} />
        {more > 0 && '…'}
      </span>
    );
  }
  const [head, more] = whole ? [text, 0] : cut(text, limit);
  return (
    <span className={`captured ${className}`} dir="ltr">
      <Pieces text={head} />
      {more > 0 && (
        <button type="button" onClick={() => setWhole(true)}>
          {more.toLocaleString('en')} more characters
        </button>
      )}
    </span>
  );
});

/** "3 min ago", exact on hover. */
export function When({ at, form = 'ago' }: { at: string | null | undefined; form?: 'ago' | 'clock' | 'moment' | 'full' }) {
  const now = useNow();
  if (!at) return <span className="faint">never</span>;
  const text = form === 'ago' ? ago(at, now) : form === 'clock' ? clock(at) : form === 'moment' ? moment(at, now) : full(at);
  return (
    <time className="when" dateTime={at} title={`${full(at)}\n${utc(at)}`}>
      {text}
    </time>
  );
}

export function Ip({ ip, plain: asText = false }: { ip: string; plain?: boolean }) {
  if (ip === '') return <span className="faint">no source</span>;
  if (asText) return <span className="ip">{ip}</span>;
  return (
    <Link className="ip" to="/attackers/$ip" params={{ ip }} onClick={(e) => e.stopPropagation()}>
      {ip}
    </Link>
  );
}

export function Decky({ id }: { id: string }) {
  if (id === '') return <span className="faint">–</span>;
  return (
    <Link className="noun" to="/fleet/$decky" params={{ decky: id }} onClick={(e) => e.stopPropagation()}>
      {deckyName(id)}
    </Link>
  );
}

export function Service({ name, deep = false }: { name: string; deep?: boolean }) {
  return <span className={deep ? 'tag deep' : 'tag'}>{name}</span>;
}

export function Services({ names, deep = [], max = 6 }: { names: string[]; deep?: string[]; max?: number }) {
  const shown = names.slice(0, max);
  return (
    <span className="tags">
      {shown.map((name) => (
        <Service key={name} name={name} deep={deep.includes(name)} />
      ))}
      {names.length > max && (
        <span className="tag" title={names.slice(max).join(', ')}>
          +{names.length - max}
        </span>
      )}
    </span>
  );
}
