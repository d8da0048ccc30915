// A small stand-in for the API, for development and browser tests. Serves dist/ under the real policy.
// MOCK=bare|empty|some|huge  PORT=8088  RATE=events per second  PASSWORD=…
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { happen, world } from './data.mjs';

const mode = process.env.MOCK ?? 'some';
const port = Number(process.env.PORT ?? 8088);
const rate = Number(process.env.RATE ?? 0.5);
let password = process.env.PASSWORD ?? 'one-time-password';
let mustChange = process.env.MUST_CHANGE === '1';
const w = world(mode);
const dist = new URL('../../dist/', import.meta.url).pathname;
const spec = new URL('../../../crates/api/openapi.json', import.meta.url).pathname;
const tokens = new Set();
const tickets = new Set();
const streams = new Set();
const workers = ['bus', 'api', 'record', 'profile'].map((name) => ({ name, status: 'ok', last_heartbeat: new Date().toISOString(), seconds_since: 2, pid: process.pid, state: name === 'profile' ? 'waiting' : 'running', restarts: 0, lag: 0, errors: 0, done: 4123, detail: '' }));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

const json = (res, body, status = 200) => {
  res.writeHead(status, { 'content-type': status >= 400 && body.title ? 'application/problem+json' : 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
};
const problem = (res, status, detail, type = 'about:blank') => json(res, { type, title: `HTTP ${status}`, status, detail }, status);
const page = (rows, q) => {
  const limit = Number(q.get('limit') ?? 50);
  const offset = Number(q.get('offset') ?? 0);
  return { total: rows.length, limit, offset, data: rows.slice(offset, offset + limit) };
};
const terms = (text) => [...(text ?? '').matchAll(/(?:([\w-]+):)?(?:"([^"]*)"|(\S+))/g)].map((m) => [m[1], m[2] ?? m[3]]);
const COLUMN = { decky: 'decky', service: 'service', event: 'event_type', attacker: 'attacker_ip' };
const logs = (q) => {
  const want = terms(q.get('search'));
  const [from, to] = [q.get('start_time'), q.get('end_time')];
  return w.logs.filter((r) => (!from || Date.parse(r.timestamp) >= Date.parse(from)) && (!to || r.timestamp <= to || Date.parse(r.timestamp) <= Date.parse(to))
    && want.every(([k, v]) => (k === undefined ? JSON.stringify(r).toLowerCase().includes(v.toLowerCase()) : k in COLUMN ? r[COLUMN[k]] === v : String(r.fields[k]) === v)));
};
const stats = () => {
  const midnight = new Date(new Date().toISOString().slice(0, 10)).toISOString();
  return {
    total_logs: mode === 'huge' ? 1_000_000 : w.logs.length, unique_attackers: w.attackers.length, active_deckies: w.deckies.length, deployed_deckies: w.deckies.length, total_credentials: w.credentials.length,
    total_sessions: w.sessions.length, total_artifacts: w.artifacts.length, logs_today: w.logs.filter((r) => r.timestamp >= midnight).length, attackers_today: w.attackers.filter((a) => a.last_seen >= midnight).length,
    attackers_now: w.attackers.filter((a) => Date.now() - Date.parse(a.last_seen) < 300_000).length, last_log_id: w.seq, last_seen: w.logs[0]?.timestamp ?? null,
  };
};
const histogram = (q) => {
  const end = Date.parse(q.get('end_time') ?? '') || Math.ceil(Date.now() / 10_000) * 10_000;
  const start = Date.parse(q.get('start_time') ?? '') || end - 8.64e7;
  const span = (end - start) / 1000;
  const width = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800].find((x) => span / x <= 60) ?? 2_592_000;
  const counts = new Map();
  const only = new URLSearchParams(q);
  for (const row of logs(only)) {
    const n = Math.floor(Date.parse(row.timestamp) / 1000 / width);
    counts.set(n, (counts.get(n) ?? 0) + 1);
  }
  const data = [];
  for (let n = Math.floor(start / 1000 / width); n <= Math.floor((end - 1) / 1000 / width); n += 1) data.push({ time: new Date(n * width * 1000).toISOString(), count: counts.get(n) ?? 0 });
  return { bucket_seconds: width, start: new Date(start).toISOString(), end: new Date(end).toISOString(), data };
};
const token = () => {
  const access_token = `t${Math.random().toString(36).slice(2)}${Date.now()}`;
  tokens.add(access_token);
  return { access_token, token_type: 'bearer', expires_in: Number(process.env.TOKEN_SECONDS ?? 900), session_expires_in: 43_200, must_change_password: mustChange, role: 'admin', username: 'admin' };
};

async function body(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return text === '' ? {} : JSON.parse(text);
}

function stream(req, res, q) {
  if (!tickets.delete(q.get('ticket'))) return problem(res, 401, 'this ticket is spent');
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = (event, data, id) => res.write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
  send('hello', { last_log_id: w.seq });
  const last = Number(q.get('lastEventId') ?? w.seq);
  const missed = w.logs.filter((r) => r.id > last).reverse();
  if (missed.length > 0) send('logs', missed, missed.at(-1).id);
  send('stats', stats());
  streams.add(send);
  req.on('close', () => streams.delete(send));
}
if (mode !== 'empty' && mode !== 'bare' && rate > 0) {
  const every = Math.max(1000 / rate, 50);
  const batch = Math.max(1, Math.round((rate * every) / 1000));
  setInterval(() => {
    const rows = [];
    let who;
    for (let n = 0; n < batch; n += 1) {
      const { row, a } = happen(w);
      rows.push(row);
      who = a;
    }
    for (const send of streams) {
      send('logs', rows, rows.at(-1).id);
      send('attacker', { uuid: who.uuid, ip: who.ip });
    }
  }, every);
  setInterval(() => { for (const send of streams) send('stats', stats()); }, 5000);
}

async function api(req, res, path, q) {
  const m = (re) => path.match(re);
  if (path === '/auth/login' && req.method === 'POST') {
    const b = await body(req);
    return b.username === 'admin' && b.password === password ? json(res, token()) : problem(res, 401, 'unknown name or wrong password');
  }
  if (path === '/openapi.json') return existsSync(spec) ? json(res, JSON.parse(readFileSync(spec, 'utf8'))) : problem(res, 404, 'no document');
  if (path === '/stream') return stream(req, res, q);
  if (!tokens.has((req.headers.authorization ?? '').slice(7))) return problem(res, 401, 'no valid token');
  if (path === '/auth/change-password') {
    const b = await body(req);
    if (b.old_password !== password) return problem(res, 401, 'the old password is wrong');
    password = b.new_password;
    mustChange = false;
    return json(res, token());
  }
  if (path === '/auth/logout') return json(res, { message: 'signed out' });
  if (mustChange) return problem(res, 403, 'change the password first', 'urn:decnet:must-change-password');
  if (path === '/auth/refresh') return json(res, token());
  if (path === '/auth/sse-ticket') {
    const ticket = Math.random().toString(36).slice(2);
    tickets.add(ticket);
    return json(res, { ticket, expires_in: 60 });
  }
  if (path === '/stats') return json(res, stats());
  if (path === '/health') {
    const ill = w.deckies.some((d) => d.state === 'degraded');
    const components = { database: { status: 'ok', detail: 'sqlite answers in 0.3 ms' }, bus: { status: 'ok', detail: 'in this process' }, fleet: { status: ill ? 'warning' : 'ok', detail: '' } };
    return json(res, { status: ill ? 'degraded' : 'healthy', components, version: '0.1.0' });
  }
  if (path === '/workers') return json(res, { workers, generated_at: new Date().toISOString(), bus_connected: true });
  if (path === '/workers/start-all') return json(res, { started: [], already_running: workers.map((x) => x.name), failed: [] });
  let g = m(/^\/workers\/([\w-]+)\/(start|stop)$/);
  if (g) {
    const x = workers.find((y) => y.name === g[1]);
    if (!x) return problem(res, 404, 'no such worker');
    Object.assign(x, g[2] === 'stop' ? { status: 'stopped', state: 'stopped' } : { status: 'ok', state: 'running' });
    return json(res, { accepted: true, worker: x.name, action: g[2] }, 202);
  }
  if (path === '/deckies') {
    const s = (q.get('search') ?? '').toLowerCase();
    return json(res, page(w.deckies.filter((d) => (!q.get('state') || d.state === q.get('state')) && JSON.stringify(d).toLowerCase().includes(s)), q));
  }
  g = m(/^\/deckies\/(.+)$/);
  if (g) {
    const id = decodeURIComponent(g[1]);
    const d = w.deckies.find((x) => `${x.host_uuid}:${x.name}` === id || x.name === id);
    return d ? json(res, d) : problem(res, 404, 'no such decky');
  }
  if (path === '/logs') return json(res, page(logs(q), q));
  if (path === '/logs/histogram') return json(res, histogram(q));
  if (path === '/logs/export') {
    res.writeHead(200, { 'content-type': 'text/csv' });
    return res.end(logs(q).map((r) => JSON.stringify(r)).join('\n'));
  }
  if (path === '/attackers') {
    const s = q.get('search') ?? '';
    const by = { recent: 'last_seen', active: 'event_count', first: 'first_seen', traversals: 'decky_count', credentials: 'credential_count' }[q.get('sort_by') ?? 'recent'];
    const all = w.attackers.filter((a) => (s === '' || a.ip.includes(s) || a.country_code === s || (a.as_name ?? '').includes(s)) && (!q.get('service') || a.services.includes(q.get('service'))) && (!q.get('decky') || a.deckies.includes(q.get('decky'))));
    return json(res, page(all.sort((x, y) => (x[by] < y[by] ? 1 : -1)), q));
  }
  const of = (rows) => rows.filter((r) => (!q.get('attacker_ip') || r.attacker_ip === q.get('attacker_ip')) && (!q.get('service') || r.service === q.get('service')) && (!q.get('decky') || r.decky === q.get('decky')));
  g = m(/^\/attackers\/([\w-]+)$/);
  if (g) {
    const a = w.attackers.find((x) => x.uuid === g[1]);
    return a ? json(res, a) : problem(res, 404, 'no such attacker');
  }
  if (path === '/sessions') return json(res, page(of(w.sessions).filter((s) => q.get('recorded') !== 'true' || s.recording), q));
  g = m(/^\/sessions\/([\w-]+)(\/events)?$/);
  if (g) {
    if (g[2]) return json(res, page(w.logs.filter((r) => r.session_id === g[1]).reverse(), q));
    const s = w.sessions.find((x) => x.sid === g[1]);
    return s ? json(res, s) : problem(res, 404, 'no such session');
  }
  g = m(/^\/transcripts\/([^/]+)\/([\w-]+)(\/cast)?$/);
  if (g) {
    const t = w.transcripts.get(g[2]);
    if (!t) return problem(res, 404, 'no such recording');
    if (g[3]) return res.end([t.header, ...t.events].map((x) => JSON.stringify(x)).join('\n'));
    const { data, total, offset, limit } = page(t.events, q);
    return json(res, { sid: g[2], service: t.service, header: t.header, events: data, offset, limit, total, has_more: offset + data.length < total, truncated: false });
  }
  if (path === '/credentials') {
    const s = (q.get('search') ?? '').toLowerCase();
    return json(res, page(of(w.credentials).filter((c) => JSON.stringify([c.principal, c.secret_printable, c.attacker_ip]).toLowerCase().includes(s)), q));
  }
  if (path === '/artifacts') return json(res, page(of(w.artifacts), q));
  if (m(/^\/artifacts\/\w+\/download$/)) return res.end('#!/bin/sh\n');
  if (path === '/bounty') return json(res, page(of(w.bounty).filter((b) => !q.get('bounty_type') || b.bounty_type === q.get('bounty_type')), q));
  if (path === '/config') return json(res, { role: 'admin', version: '0.1.0', database: 'sqlite', token_seconds: 900, session_seconds: 43_200, streams_per_user: 5, password_min_chars: 12, password_max_bytes: 128, users: w.users });
  if (path === '/config/users') {
    if (req.method === 'GET') return json(res, { data: w.users });
    const b = await body(req);
    if (w.users.some((u) => u.username === b.username)) return problem(res, 409, 'username is already taken');
    const u = { uuid: crypto.randomUUID(), username: b.username, role: b.role ?? 'viewer', must_change_password: true };
    w.users.push(u);
    return json(res, u, 201);
  }
  g = m(/^\/config\/users\/([\w-]+)(\/role|\/reset-password)?$/);
  if (g) {
    const u = w.users.find((x) => x.uuid === g[1]);
    if (!u) return problem(res, 404, 'no such account');
    if (req.method === 'DELETE') w.users.splice(w.users.indexOf(u), 1);
    else if (g[2] === '/role') u.role = (await body(req)).role;
    else u.must_change_password = true;
    return json(res, { message: 'done' });
  }
  if (path === '/system/version') return json(res, { name: 'decnet', version: '0.1.0', started_at: new Date(Date.now() - 8.1e6).toISOString(), uptime_seconds: 8100, database: 'sqlite' });
  return problem(res, 404, `no such route: ${path}`);
}

createServer((req, res) => {
  const url = new URL(req.url, 'http://mock');
  if (url.pathname.startsWith('/api/v1')) {
    const query = new URLSearchParams([...url.searchParams].filter(([, v]) => v !== ''));
    api(req, res, url.pathname.slice(7), query).catch((e) => problem(res, 500, String(e?.stack ?? e)));
    return;
  }
  const file = join(dist, url.pathname);
  const path = extname(url.pathname) !== '' && existsSync(file) && file.startsWith(dist) ? file : join(dist, 'index.html');
  readFile(path).then((data) => {
    res.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    res.end(data);
  }).catch(() => problem(res, 404, 'not built'));
}).listen(port, '127.0.0.1', function () {
  console.log(`mock ${mode} on http://127.0.0.1:${this.address().port}`);
});
