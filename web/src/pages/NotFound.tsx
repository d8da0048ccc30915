import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { useTitle } from '../lib/hooks';
import { Button, Empty } from '../parts/Basics';

export function NotFound() {
  useTitle('Not found');
  return (
    <main className="page" id="main" tabIndex={-1}>
      <h1 className="sr">Not found</h1>
      <Empty title="There is nothing at this address.">
        It may be from another version, or mistyped. <Link className="link" to="/">Go to the overview</Link>, or press <kbd>Ctrl K</kbd> to find what you want.
      </Empty>
    </main>
  );
}

export function Crashed({ error, reset }: ErrorComponentProps) {
  return (
    <main className="page" id="main" tabIndex={-1}>
      <h1 className="sr">This page failed</h1>
      <Empty title="This page failed to draw.">
        Capture and the rest of the dashboard go on. {error instanceof Error && <code className="small">{error.message}</code>}
      </Empty>
      <div className="row" style={{ justifyContent: 'center' }}>
        <Button look="primary" onClick={reset}>Try again</Button>
        <Button onClick={() => location.reload()}>Load the page anew</Button>
      </div>
    </main>
  );
}
