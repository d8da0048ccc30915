/** The API, from the document that the server gives of itself. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Fragment, useMemo, type ReactNode } from 'react';
import { openapi } from '../api/queries';
import { useTitle } from '../lib/hooks';
import { stamp, save } from '../lib/save';
import { Button, Empty, Failed, Ghosts, ScrollX } from '../parts/Basics';
import { Download } from '../parts/icons';
import { SearchField } from '../parts/SearchField';

type Schema = { $ref?: string; type?: string | string[]; format?: string; items?: Schema; properties?: Record<string, Schema>; required?: string[]; description?: string; enum?: unknown[]; oneOf?: Schema[]; allOf?: Schema[]; anyOf?: Schema[]; default?: unknown; minimum?: number; maximum?: number; minLength?: number; maxLength?: number; additionalProperties?: Schema | boolean };
type Param = { name: string; in: string; required?: boolean; description?: string; schema?: Schema };
type Op = { operationId?: string; summary?: string; description?: string; tags?: string[]; parameters?: Param[]; requestBody?: { content?: Record<string, { schema?: Schema }> }; responses?: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>; 'x-role'?: string };
type Doc = { info?: { title?: string; version?: string; description?: string }; paths?: Record<string, Record<string, Op>>; components?: { schemas?: Record<string, Schema> } };
type Route = { path: string; method: string; op: Op };

export function Reference() {
  useTitle('API reference');
  const { q } = useSearch({ from: '/reference' });
  const navigate = useNavigate({ from: '/reference' });
  const d = useQuery(openapi());
  const doc = d.data as Doc | undefined;
  const groups = useMemo(() => {
    const words = (q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const all = new Map<string, Route[]>();
    for (const [path, methods] of Object.entries(doc?.paths ?? {})) {
      for (const [method, op] of Object.entries(methods)) {
        if (!/^(get|post|put|patch|delete)$/.test(method)) continue;
        const text = `${method} ${path} ${op.summary ?? ''} ${op.description ?? ''} ${op.operationId ?? ''}`.toLowerCase();
        if (!words.every((w) => text.includes(w))) continue;
        const tag = op.tags?.[0] ?? 'other';
        all.set(tag, [...(all.get(tag) ?? []), { path, method, op }]);
      }
    }
    return [...all].sort(([a], [b]) => a.localeCompare(b));
  }, [doc, q]);
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div className="title"><h1>API reference</h1>{doc?.info !== undefined && <p className="sub">Version {doc.info.version}. Every route this page uses is open to you.</p>}</div>
        <div className="tools grow"><SearchField value={q ?? ''} set={(v) => void navigate({ search: { q: v || undefined }, replace: true })} label="Search routes" placeholder="A path or a word" /></div>
        <div className="actions">{doc !== undefined && <Button onClick={() => save(`${stamp('openapi')}.json`, 'application/json', JSON.stringify(doc, null, 1))}><Download size={14} aria-hidden /> OpenAPI document</Button>}</div>
      </header>
      {d.error !== null && <Failed error={d.error} retry={() => void d.refetch()} />}
      {doc === undefined ? (d.error === null && <Ghosts lines={8} />) : (
        <div className="reference">
          <nav aria-label="Groups of routes" className="reference-nav"><ul>{groups.map(([tag, routes]) => <li key={tag}><a href={`#${tag}`} onClick={(e) => { e.preventDefault(); document.getElementById(`tag-${tag}`)?.scrollIntoView({ block: 'start' }); }}><span className="cap">{tag}</span> <span className="faint">{routes.length}</span></a></li>)}</ul></nav>
          <div className="stack wide-gap">
            {(q ?? '') === '' && <p className="muted prose-width"><Told text={doc.info?.description} /></p>}
            {groups.length === 0 && <Empty title="No route fits." />}
            {groups.map(([tag, routes]) => (
              <section key={tag} id={`tag-${tag}`} className="stack">
                <h2 className="cap reference-tag">{tag}</h2>
                <div className="panel routes">{routes.map((r) => <RouteView key={`${r.method}${r.path}`} route={r} doc={doc} />)}</div>
              </section>
            ))}
          </div>
        </div>
      )}
    </main>
  );
}

/** Plain text with `code` in it. */
function Told({ text }: { text: string | undefined }): ReactNode {
  return (text ?? '').split('`').map((part, n) => (n % 2 === 1 ? <code key={n}>{part}</code> : part));
}

const ROLE: Record<string, string> = { none: 'anybody', any: 'anybody signed in', viewer: 'viewers', admin: 'administrators', stream: 'viewers, by header, ticket or token', metrics: 'this host, or viewers' };

function RouteView({ route: { path, method, op }, doc }: { route: Route; doc: Doc }) {
  const body = Object.values(op.requestBody?.content ?? {})[0]?.schema;
  const [summary, ...more] = [op.summary, op.description].filter((x): x is string => x !== undefined && x !== '');
  return (
    <details className="route">
      <summary>
        <span className={`method ${method}`}>{method.toUpperCase()}</span>
        <code className="route-path">{path}</code>
        <span className="muted small clip grow"><Told text={summary} /></span>
        <span className="tag">{op['x-role'] ?? ''}</span>
      </summary>
      <div className="body stack">
        <p className="prose-width"><Told text={summary} /></p>
        {more.map((t) => <p key={t} className="muted prose-width pre-line"><Told text={t} /></p>)}
        <p className="small muted">Open to {ROLE[op['x-role'] ?? ''] ?? op['x-role'] ?? 'viewers'}.</p>
        {(op.parameters ?? []).length > 0 && (
          <ScrollX label="Parameters">
            <table className="plain-table tight">
              <thead><tr><th>Parameter</th><th>In</th><th>Kind</th><th>Meaning</th></tr></thead>
              <tbody>{op.parameters?.map((p) => <tr key={p.in + p.name}><td><code>{p.name}</code>{p.required === true && <span className="faint tiny"> required</span>}</td><td className="muted">{p.in}</td><td><Kind schema={p.schema} doc={doc} /></td><td className="muted"><Told text={p.description} /></td></tr>)}</tbody>
            </table>
          </ScrollX>
        )}
        {body !== undefined && <><h3>Body</h3><Shape schema={body} doc={doc} /></>}
        <h3>Answers</h3>
        {Object.entries(op.responses ?? {}).map(([status, r]) => {
          const [type, content] = Object.entries(r.content ?? {})[0] ?? [];
          return (
            <div key={status} className="answer">
              <b className="mono">{status}</b>
              <div className="grow"><span className="muted small"><Told text={r.description} />{type !== undefined && type !== 'application/json' && ` · ${type}`}</span>{content?.schema !== undefined && status.startsWith('2') && type === 'application/json' ? <Shape schema={content.schema} doc={doc} /> : content?.schema?.$ref !== undefined && <span className="small"> <Kind schema={content.schema} doc={doc} /></span>}</div>
            </div>
          );
        })}
      </div>
    </details>
  );
}

function resolve(schema: Schema, doc: Doc): Schema {
  if (schema.$ref === undefined) return schema;
  return doc.components?.schemas?.[schema.$ref.split('/').at(-1) ?? ''] ?? {};
}

/** One line for a kind of value. */
function kind(schema: Schema | undefined, doc: Doc): string {
  if (schema === undefined) return 'any';
  if (schema.$ref !== undefined) {
    const to = resolve(schema, doc);
    return to.properties === undefined && to.oneOf === undefined ? kind(to, doc) : (schema.$ref.split('/').at(-1) ?? '');
  }
  if (schema.enum !== undefined) return schema.enum.map(String).join(' | ');
  const parts = schema.oneOf ?? schema.anyOf;
  if (parts !== undefined) return parts.map((p) => kind(p, doc)).join(' | ');
  const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? 'any'];
  if (types.includes('array')) return `list of ${kind(schema.items, doc)}${types.includes('null') ? ' | null' : ''}`;
  const range = schema.minimum !== undefined || schema.maximum !== undefined ? ` ${schema.minimum ?? ''}..${schema.maximum ?? ''}` : schema.maxLength !== undefined || schema.minLength !== undefined ? ` of ${schema.minLength ?? 0}..${schema.maxLength ?? '∞'} characters` : '';
  return `${types.join(' | ')}${schema.format === 'date-time' ? ' (time)' : ''}${range}${schema.default !== undefined ? `, else ${String(schema.default)}` : ''}`;
}

function Kind({ schema, doc }: { schema: Schema | undefined; doc: Doc }): ReactNode {
  return <code className="small">{kind(schema, doc)}</code>;
}

function Shape({ schema, doc, depth = 0 }: { schema: Schema; doc: Doc; depth?: number }): ReactNode {
  const s = resolve(schema, doc);
  const types = Array.isArray(s.type) ? s.type : [s.type];
  if (types.includes('array') && s.items !== undefined && resolve(s.items, doc).properties !== undefined && depth < 3) return <div className="shape"><span className="muted small">a list of</span><Shape schema={s.items} doc={doc} depth={depth + 1} /></div>;
  if (s.properties === undefined) return <p className="small"><Kind schema={schema} doc={doc} /> <span className="muted">{s.description}</span></p>;
  return (
    <dl className="facts shape">
      {Object.entries(s.properties).map(([name, p]) => {
        const list = p.items !== undefined && resolve(p.items, doc).properties !== undefined;
        return (
          <Fragment key={name}>
            <dt><code>{name}</code>{s.required?.includes(name) === true ? '' : <span className="faint tiny"> optional</span>}</dt>
            <dd><Kind schema={p} doc={doc} />{p.description !== undefined && <span className="muted small"> <Told text={p.description} /></span>}{list && depth < 2 && p.items !== undefined && <Shape schema={p.items} doc={doc} depth={depth + 1} />}</dd>
          </Fragment>
        );
      })}
    </dl>
  );
}
