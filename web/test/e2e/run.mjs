// Drives the page in a real browser against any server: the product or the mock.
// DECNET_URL, DECNET_ADMIN_PASSWORD (one-time or present), DECNET_NEW_PASSWORD, DECNET_SHOTS (folder for pictures),
// DECNET_ONLY=keys,axe,… to run some parts. Exits 1 if anything is not as it should be.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { base, go, launch, shot, signIn, user, visitor } from './browser.mjs';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const only = (process.env.DECNET_ONLY ?? '').split(',').filter(Boolean);
const failures = [];
const fail = (what) => {
  failures.push(what);
  console.log(`  FAIL ${what}`);
};
const check = (ok, what) => {
  if (ok) console.log(`  ok   ${what}`);
  else fail(what);
};
const wanted = (name) => only.length === 0 || only.includes(name);

const browser = await launch();
try {
  const pages = await discover();
  if (wanted('pages')) await pictures(pages);
  if (wanted('keys')) await keyboard(pages);
  if (wanted('hostile')) await hostile(pages);
  if (wanted('live')) await live();
  if (wanted('doing')) await doing();
} catch (error) {
  fail(`the run broke: ${error.stack ?? error}`);
} finally {
  await browser.close();
}
console.log(failures.length === 0 ? '\nall well' : `\n${failures.length} failures:\n- ${failures.join('\n- ')}`);
process.exit(failures.length === 0 ? 0 : 1);

/** Addresses to visit: every section, and one of each noun if the server has one. */
async function discover() {
  const v = await visitor(browser);
  await signIn(v.page);
  const token = await v.page.evaluate(() => JSON.parse(sessionStorage.getItem('decnet.session')).token);
  const get = async (path) => {
    const r = await fetch(`${base}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
    return r.ok ? r.json() : { data: [] };
  };
  const pages = {
    overview: '/', live: '/live', attackers: '/attackers', credentials: '/credentials', sessions: '/sessions', files: '/files', fleet: '/fleet', workers: '/workers', settings: '/settings', looks: '/settings?tab=looks',
    people: '/settings?tab=people', about: '/settings?tab=about', reference: '/reference', identities: '/identities', campaigns: '/campaigns', topologies: '/topologies', life: '/life', intel: '/intel', missing: '/no/such/page',
  };
  const attackers = (await get('/attackers?limit=200')).data;
  const deep = [...attackers].sort((a, b) => b.command_count - a.command_count)[0];
  if (deep !== undefined) for (const tab of ['timeline', 'commands', 'credentials', 'files', 'evidence']) pages[`attacker-${tab}`] = `/attackers/${deep.ip}${tab === 'timeline' ? '' : `?tab=${tab}`}`;
  const recorded = (await get('/sessions?recorded=true&limit=200')).data.sort((a, b) => b.command_count - a.command_count);
  if (recorded[0] !== undefined) pages.session = `/sessions/${recorded[0].sid}?t=4`;
  const decky = (await get('/deckies')).data[0];
  if (decky !== undefined) pages.decky = `/fleet/${decky.host_uuid}:${decky.name}`;
  const row = (await get('/logs?limit=1&search=event%3Acommand')).data[0];
  if (row !== undefined) pages.event = `/live?span=all&event=${encodeURIComponent(`${row.id}@${row.timestamp}`)}`;
  await v.context.close();
  return pages;
}

async function axe(page, name) {
  // Injected by the debugger, so the policy of the page stays as it is.
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], rules: { region: { enabled: true } } }));
  for (const v of result.violations) fail(`axe ${name}: ${v.id} (${v.impact}) ${v.nodes.length}x ${v.nodes[0].target.join(' ')} ${v.nodes[0].failureSummary.replaceAll('\n', ' ').slice(0, 220)}`);
}

async function pictures(pages) {
  for (const [theme, size] of [['dark', 'desk'], ['light', 'desk'], ['dark', 'phone'], ['light', 'phone']]) {
    console.log(`pages, ${theme}, ${size}`);
    const v = await visitor(browser, { theme, size });
    await v.page.goto(base);
    await v.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await shot(v.page, `signin-${theme}-${size}`);
    await axe(v.page, `signin ${theme} ${size}`);
    await signIn(v.page);
    for (const [name, path] of Object.entries(pages)) {
      await go(v.page, path);
      if (name === 'session') await v.page.waitForTimeout(1500);
      await shot(v.page, `${name}-${theme}-${size}`);
      const wide = await v.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 1) fail(`${name} ${theme} ${size} is ${wide} px wider than the screen`);
      if (theme === 'dark' || size === 'desk') await axe(v.page, `${name} ${theme} ${size}`);
    }
    if (size === 'desk') {
      await v.page.keyboard.press('Control+k');
      await v.page.getByRole('combobox', { name: /Where to/ }).waitFor();
      await v.page.waitForTimeout(300);
      await shot(v.page, `palette-${theme}-${size}`);
      await axe(v.page, `palette ${theme}`);
      await v.page.keyboard.press('Escape');
      await v.page.keyboard.press('?');
      await v.page.getByRole('heading', { name: 'Keys' }).waitFor();
      await shot(v.page, `keys-${theme}-${size}`);
      await v.page.keyboard.press('Escape');
    }
    check(v.faults.length === 0, `no console error and no breach of the policy (${theme}, ${size})${v.faults.length > 0 ? `: ${v.faults.slice(0, 5).join(' | ')}` : ''}`);
    await v.context.close();
  }
}

async function keyboard(pages) {
  console.log('the keyboard alone');
  const v = await visitor(browser);
  const { page } = v;
  await signIn(page);
  const at = () => new URL(page.url()).pathname;
  for (const [keys, path] of [['ga', '/attackers'], ['gl', '/live'], ['gc', '/credentials'], ['gf', '/fleet'], ['gw', '/workers'], ['gs', '/settings'], ['gr', '/reference'], ['go', '/']]) {
    for (const k of keys) await page.keyboard.press(k);
    await page.waitForTimeout(250);
    check(at() === path, `${keys.split('').join(' ')} goes to ${path}`);
  }
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Where to/ }).waitFor();
  await page.keyboard.type('workers');
  await page.waitForTimeout(250);
  await page.keyboard.press('Enter');
  await page.waitForTimeout(400);
  check(at() === '/workers', 'Ctrl K, a word, Enter');
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.waitForTimeout(600);
  await page.keyboard.press('/');
  check(await page.evaluate(() => document.activeElement?.getAttribute('type') === 'search'), '/ goes to the search');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  if (pages['attacker-timeline'] !== undefined) {
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('x');
    check(await page.getByText('1 chosen').isVisible(), 'x chooses a row');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(500);
    check(/^\/attackers\/.+/.test(at()), 'Enter opens the row');
    await page.goBack();
    await page.waitForTimeout(400);
    check(at() === '/attackers', 'back works');
    await go(page, '/live?span=all');
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Event' }).waitFor();
    const first = page.url();
    await page.keyboard.press('ArrowDown');
    await page.waitForTimeout(300);
    check(page.url() !== first, 'arrows walk through the detail');
    await page.keyboard.press('Escape');
    await page.waitForTimeout(300);
    check(await page.getByRole('complementary', { name: 'Event' }).count() === 0, 'Escape closes the detail');
    const slider = page.getByRole('slider', { name: /Events over time/ });
    await slider.focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(400);
    check(/from=/.test(page.url()), 'the histogram narrows by keyboard and tells the address');
  }
  // Every control of a page can be reached by Tab, and shows it.
  await go(page, '/settings?tab=people');
  let seen = 0;
  let hidden = 0;
  await page.evaluate(() => document.body.focus());
  for (let n = 0; n < 60; n += 1) {
    await page.keyboard.press('Tab');
    const state = await page.evaluate(() => {
      const e = document.activeElement;
      if (e === null || e === document.body) return null;
      const s = getComputedStyle(e);
      return s.outlineStyle !== 'none' && s.outlineWidth !== '0px';
    });
    if (state === null) continue;
    seen += 1;
    if (!state) hidden += 1;
  }
  check(seen > 15 && hidden === 0, `Tab reaches ${seen} controls, each with a visible focus`);
  check(v.faults.length === 0, `no console error${v.faults.length > 0 ? `: ${v.faults.slice(0, 3).join(' | ')}` : ''}`);
  await v.context.close();
}

async function hostile(pages) {
  console.log('what attackers wrote is inert');
  const v = await visitor(browser);
  const { page } = v;
  const asked = [];
  page.on('request', (r) => {
    if (!r.url().startsWith(base) && !r.url().startsWith('data:') && !r.url().startsWith('blob:')) asked.push(r.url());
  });
  await signIn(page);
  for (const [name, path] of Object.entries(pages)) {
    if (!/attacker|live|session|credential|file|event|overview/.test(name)) continue;
    await go(page, path);
    if (name === 'session') await page.waitForTimeout(2500);
    if (name === 'event') check(!(await page.getByText('This event is not there.').isVisible()), 'the address of an event opens it');
    const bad = await page.evaluate(() => ({
      tags: document.querySelectorAll('#root script, #root iframe, #root object, #root embed, #root style, #root base, #root meta, #root svg script, .captured *:not(i):not(button), .term *:not(span):not(.term-line)').length,
      links: [...document.querySelectorAll('a[href]')].filter((a) => new URL(a.href).origin !== location.origin).length,
      handlers: [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).length,
      raw: /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText),
    }));
    check(bad.tags === 0 && bad.links === 0 && bad.handlers === 0 && !bad.raw, `${name}: no element, link, handler or hidden character of theirs ${JSON.stringify(bad)}`);
  }
  check(!/owned/.test(await page.title()), 'no script of theirs ran');
  check(asked.length === 0, `nothing was asked of anybody else${asked.length > 0 ? `: ${asked.slice(0, 3).join(' ')}` : ''}`);
  const csp = (await page.request.get(base)).headers()['content-security-policy'] ?? '';
  check(/default-src 'none'/.test(csp) && !/unsafe/.test(csp), `the policy is strict: ${csp.slice(0, 120)}`);
  check(v.faults.length === 0, `no console error${v.faults.length > 0 ? `: ${v.faults.slice(0, 3).join(' | ')}` : ''}`);
  await v.context.close();
}

/** What changes something: people, an export, the own password's limits, signing out. */
async function doing() {
  console.log('doing');
  const v = await visitor(browser);
  const { page } = v;
  await signIn(page);
  const name = `e2e-${Math.floor(performance.timeOrigin + performance.now()).toString(36)}`;
  await go(page, '/settings?tab=people');
  await page.getByRole('button', { name: 'Add a person' }).click();
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('cell', { name, exact: true }).waitFor();
  check(true, 'a person is added');
  await page.getByLabel(`Role of ${name}`).selectOption('admin');
  await page.getByText(`${name} is now an administrator.`).waitFor();
  check(true, 'gets another role');
  const row = page.getByRole('row', { name: new RegExp(name) });
  await row.getByRole('button', { name: 'New password' }).click();
  await page.getByRole('button', { name: 'Set it' }).click();
  await page.getByText(/one-time password\.$/).waitFor();
  check(true, 'gets a new password');
  await row.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: `Remove ${name}` }).click();
  await page.getByRole('cell', { name, exact: true }).waitFor({ state: 'detached' });
  check(true, 'is removed');
  await go(page, '/live?span=all');
  for (const [entry, end] of [[/^CSV/, '.csv'], [/^JSON/, '.ndjson'], [/^Syslog/, '.log']]) {
    await page.getByRole('button', { name: 'Export this list' }).click();
    const [download] = await Promise.all([page.waitForEvent('download', { timeout: 20_000 }), page.getByRole('button', { name: entry }).click()]);
    check(download.suggestedFilename().endsWith(end), `the list is exported as ${end}`);
  }
  await page.reload();
  await page.locator('.frame').waitFor();
  check(true, 'a reload stays signed in');
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  check((await page.evaluate(() => sessionStorage.getItem('decnet.session'))) === null, 'signing out forgets the token');
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  check(/do not belong together/.test(await page.getByRole('alert').innerText()), 'a wrong password is told');
  check(v.faults.length === 0, `no console error${v.faults.length > 0 ? `: ${v.faults.slice(0, 3).join(' | ')}` : ''}`);
  await v.context.close();
}

async function live() {
  console.log('live');
  const v = await visitor(browser);
  const { page } = v;
  await signIn(page);
  await page.locator('.pulse', { hasText: 'Live' }).waitFor({ timeout: 10_000 });
  check(true, 'the stream opens');
  await go(page, '/live');
  await page.keyboard.press('p');
  check(await page.getByRole('button', { name: /Go on/ }).isVisible(), 'p pauses');
  await page.keyboard.press('p');
  check(await page.getByRole('button', { name: /Pause/ }).isVisible(), 'p goes on');
  check(v.faults.length === 0, `no console error${v.faults.length > 0 ? `: ${v.faults.slice(0, 3).join(' | ')}` : ''}`);
  await v.context.close();
}
