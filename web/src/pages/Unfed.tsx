/** Sections that have nothing yet say what would fill them. */
import { Link, useLocation } from '@tanstack/react-router';
import { useTitle } from '../lib/hooks';
import { Empty } from '../parts/Basics';
import { SECTIONS } from '../parts/sections';

const SAYS: Record<string, [string, string]> = {
  '/topologies': ['No topologies in this version.', 'A topology is several networks of deckies with ways between them. Today one flat fleet is deployed from a file with decnet deploy.'],
  '/life': ['No synthetic life in this version.', 'Mail, files and traffic between deckies that make them look lived in. No worker makes them yet.'],
  '/intel': ['No page of its own yet.', 'What outside providers know of an attacker stands on the page of that attacker. Only addresses of the internet are asked about.'],
};

export function Unfed() {
  const { pathname } = useLocation();
  const section = SECTIONS.find((s) => s.to === pathname);
  const [title, text] = SAYS[pathname] ?? ['Nothing here.', ''];
  useTitle(section?.word ?? '');
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head"><h1>{section?.word}</h1></header>
      <Empty title={title} icon={section === undefined ? undefined : <section.icon className="icon" size={28} strokeWidth={1.4} aria-hidden />}>
        {text} <Link className="link" to="/">Back to the overview</Link>
      </Empty>
    </main>
  );
}
