/** Every address of the page. Filters live in the address, so a view can be sent to a colleague. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { Frame } from './parts/Frame';
import { Ghosts } from './parts/Basics';
import { NotFound, Crashed } from './pages/NotFound';

type Raw = Record<string, unknown>;
const text = (raw: Raw, key: string): string | undefined => {
  const value = raw[key];
  return value === undefined || value === null || value === '' ? undefined : String(value);
};
/** Takes only the named words of the query string, as text. */
const words = <K extends string>(...keys: K[]) => (raw: Raw): { [P in K]?: string | undefined } =>
  Object.fromEntries(keys.map((key) => [key, text(raw, key)]).filter(([, v]) => v !== undefined)) as { [P in K]?: string };

const root = createRootRoute({ component: Frame, notFoundComponent: NotFound });

const overview = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('./pages/Overview'), 'Overview') });
const live = createRoute({ getParentRoute: () => root, path: '/live', validateSearch: words('q', 'span', 'from', 'to', 'event'), component: lazyRouteComponent(() => import('./pages/Live'), 'Live') });
const attackers = createRoute({ getParentRoute: () => root, path: '/attackers', validateSearch: words('q', 'sort', 'service', 'decky'), component: lazyRouteComponent(() => import('./pages/Attackers'), 'Attackers') });
const attacker = createRoute({ getParentRoute: () => root, path: '/attackers/$ip', validateSearch: words('tab', 'service', 'session'), component: lazyRouteComponent(() => import('./pages/Attacker'), 'Attacker') });
const sessions = createRoute({ getParentRoute: () => root, path: '/sessions', validateSearch: words('ip', 'decky', 'recorded'), component: lazyRouteComponent(() => import('./pages/Sessions'), 'Sessions') });
const session = createRoute({ getParentRoute: () => root, path: '/sessions/$sid', validateSearch: words('t'), component: lazyRouteComponent(() => import('./pages/Session'), 'Session') });
const credentials = createRoute({ getParentRoute: () => root, path: '/credentials', validateSearch: words('q', 'service', 'cred'), component: lazyRouteComponent(() => import('./pages/Credentials'), 'Credentials') });
const reuse = createRoute({ getParentRoute: () => root, path: '/credentials/reuse', validateSearch: words('finding'), component: lazyRouteComponent(() => import('./pages/Reuse'), 'Reuse') });
const files = createRoute({ getParentRoute: () => root, path: '/files', validateSearch: words('ip'), component: lazyRouteComponent(() => import('./pages/Files'), 'Files') });
const fleet = createRoute({ getParentRoute: () => root, path: '/fleet', validateSearch: words('q', 'state'), component: lazyRouteComponent(() => import('./pages/Fleet'), 'Fleet') });
const decky = createRoute({ getParentRoute: () => root, path: '/fleet/$decky', component: lazyRouteComponent(() => import('./pages/Decky'), 'DeckyPage') });
const workers = createRoute({ getParentRoute: () => root, path: '/workers', component: lazyRouteComponent(() => import('./pages/Workers'), 'Workers') });
const settings = createRoute({ getParentRoute: () => root, path: '/settings', validateSearch: words('tab'), component: lazyRouteComponent(() => import('./pages/Settings'), 'Settings') });
const reference = createRoute({ getParentRoute: () => root, path: '/reference', validateSearch: words('q'), component: lazyRouteComponent(() => import('./pages/Reference'), 'Reference') });

const unfed = lazyRouteComponent(() => import('./pages/Unfed'), 'Unfed');
const identities = createRoute({ getParentRoute: () => root, path: '/identities', component: lazyRouteComponent(() => import('./pages/Identities'), 'Identities') });
const identity = createRoute({ getParentRoute: () => root, path: '/identities/$uuid', component: lazyRouteComponent(() => import('./pages/Identity'), 'Identity') });
const campaigns = createRoute({ getParentRoute: () => root, path: '/campaigns', component: lazyRouteComponent(() => import('./pages/Campaigns'), 'Campaigns') });
const campaign = createRoute({ getParentRoute: () => root, path: '/campaigns/$uuid', component: lazyRouteComponent(() => import('./pages/Campaign'), 'Campaign') });
const topologies = createRoute({ getParentRoute: () => root, path: '/topologies', component: unfed });
const life = createRoute({ getParentRoute: () => root, path: '/life', component: unfed });
const intel = createRoute({ getParentRoute: () => root, path: '/intel', component: unfed });

export const router = createRouter({
  routeTree: root.addChildren([
    overview, live, attackers, attacker, sessions, session, credentials, reuse, files, fleet, decky, workers, settings, reference, identities, identity, campaigns, campaign, topologies, life, intel,
  ]),
  defaultPreload: 'intent',
  defaultPendingMs: 150,
  defaultPendingComponent: () => <div className="page"><Ghosts lines={6} /></div>,
  defaultErrorComponent: Crashed,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
