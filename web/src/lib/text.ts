/** What attackers wrote, made safe to look at: every character that could hide, reorder or fake text is named. */

export type Piece = { text: string; shown: boolean };

const NAMES: Record<number, string> = {
  0x00: 'NUL', 0x07: 'BEL', 0x08: 'BS', 0x09: 'TAB', 0x0a: 'LF', 0x0b: 'VT', 0x0c: 'FF', 0x0d: 'CR', 0x1b: 'ESC', 0x7f: 'DEL',
  0x85: 'NEL', 0xa0: 'NBSP', 0xad: 'SHY', 0x061c: 'ALM', 0x115f: 'HF', 0x1160: 'HF', 0x180e: 'MVS', 0x200b: 'ZWSP', 0x200c: 'ZWNJ',
  0x200d: 'ZWJ', 0x200e: 'LRM', 0x200f: 'RLM', 0x2028: 'LS', 0x2029: 'PS', 0x202a: 'LRE', 0x202b: 'RLE', 0x202c: 'PDF', 0x202d: 'LRO',
  0x202e: 'RLO', 0x2060: 'WJ', 0x2066: 'LRI', 0x2067: 'RLI', 0x2068: 'FSI', 0x2069: 'PDI', 0x3164: 'HF', 0xfeff: 'BOM', 0xfffd: '�',
};

// Controls, formats, unassigned, private use, lone surrogates, separators other than the plain space, and variation selectors.
// eslint-disable-next-line no-misleading-character-class
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u00a0\u2000-\u200a\u202f\u205f\u3000\u115f\u1160\u3164\ufffd\ufe00-\ufe0f]|(?:\p{M}){4,}/gu;

/** Name of a character that is not shown as itself: `ESC`, `RLO`, `\u{e0041}`. */
export function nameOf(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const known = NAMES[code];
  if (known !== undefined) return known;
  if (code < 0x20) return `^${String.fromCharCode(code + 64)}`;
  if (code <= 0xff) return `x${code.toString(16).padStart(2, '0')}`;
  return `u${code.toString(16)}`;
}

/** Splits text into what is shown as it stands and names of what is not. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let last = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > last) out.push({ text: text.slice(last, match.index), shown: true });
    const first = match[0];
    out.push({ text: first.length > 3 && /^\p{M}/u.test(first) ? `+${[...first].length} marks` : nameOf(first), shown: false });
    last = match.index + first.length;
  }
  if (last < text.length) out.push({ text: text.slice(last), shown: true });
  return out;
}

/** Plain string form, for titles and labels. */
export function plain(text: string): string {
  return pieces(text).map((p) => (p.shown ? p.text : `‹${p.text}›`)).join('');
}

/** Cuts at a whole character. */
export function cut(text: string, at: number): [string, number] {
  if (text.length <= at) return [text, 0];
  let end = at;
  const code = text.charCodeAt(end - 1);
  if (code >= 0xd800 && code <= 0xdbff) end -= 1;
  return [text.slice(0, end), text.length - end];
}
