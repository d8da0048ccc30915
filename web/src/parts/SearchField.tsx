import { Search, X } from './icons';
import { Button } from './Basics';

/** The search of a page: `/` goes here, Escape empties it and leaves. */
export function SearchField({ value, set, label, placeholder, submit, mono = false }: { value: string; set: (v: string) => void; label: string; placeholder: string; submit?: () => void; mono?: boolean }) {
  return (
    <form className="search" role="search" onSubmit={(e) => { e.preventDefault(); submit?.(); }}>
      <Search className="icon" size={15} aria-hidden />
      <input
        type="search" className={mono ? 'input mono' : 'input'} aria-label={label} placeholder={placeholder} value={value} maxLength={512} spellCheck={false} autoComplete="off" autoCapitalize="none"
        onChange={(e) => set(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === 'Escape') {
            e.preventDefault();
            if (value === '') e.currentTarget.blur();
            else set('');
          }
        }}
      />
      <span className="end">
        {value === '' ? <kbd aria-hidden>/</kbd> : (
          <Button look="plain" square aria-label="Empty the search" onClick={() => set('')} className="slim"><X size={14} aria-hidden /></Button>
        )}
      </span>
    </form>
  );
}
