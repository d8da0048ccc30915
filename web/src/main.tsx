import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { keepFresh } from './api/client';
import { startLive } from './api/live';
import { ApiError } from './api/problem';
import { currentSession, onSession } from './api/session';
import { applyLooks } from './lib/theme';
import { router } from './router';
import './style/tokens.css';
import './style/base.css';
import './style/layout.css';
import './style/parts.css';
import './style/pages.css';

applyLooks();

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 4000,
      gcTime: 120_000,
      refetchOnWindowFocus: false,
      retry: (tries, error) => tries < 2 && !(error instanceof ApiError && error.status < 500),
      retryDelay: (tries) => 800 * 2 ** tries,
    },
  },
});

keepFresh();
startLive(queries);
// What one account was shown is not left for the next.
onSession(() => {
  if (currentSession() === null) queries.clear();
});

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
