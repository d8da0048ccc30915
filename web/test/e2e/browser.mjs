// The browser of the tests: signs in, notes every console error and every breach of the policy.
import { chromium } from 'playwright-core';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export const base = process.env.DECNET_URL ?? 'http://127.0.0.1:8088';
export const user = process.env.DECNET_USER ?? 'admin';
/** The password once it has been changed. */
export const fresh = process.env.DECNET_NEW_PASSWORD ?? 'a quiet night at the lighthouse';
export const first = process.env.DECNET_ADMIN_PASSWORD ?? 'one-time-password';
export const out = process.env.DECNET_SHOTS ?? 'test-shots';

export const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--headless=new', '--disable-background-networking', '--force-color-profile=srgb', '--hide-scrollbars'],
  });
}

/** A page that remembers what went wrong on it. */
export async function visitor(browser, { theme = 'dark', size = 'desk' } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: theme, deviceScaleFactor: 1, ignoreHTTPSErrors: true, acceptDownloads: true, locale: 'en-GB' });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (m) => {
    if (m.type() !== 'error' && !/Content Security Policy/i.test(m.text())) return;
    // A refused request is told by the page itself; only what we did not ask for is a fault.
    if (/status of (401|403|404|409|422|429|503)/.test(m.text())) return;
    faults.push(`${page.url()}: ${m.text().slice(0, 300)}`);
  });
  page.on('pageerror', (e) => faults.push(`${page.url()}: ${String(e).slice(0, 300)}`));
  page.on('dialog', (d) => {
    faults.push(`${page.url()}: a dialog opened: ${d.message()}`);
    void d.dismiss();
  });
  return { context, page, faults };
}

export async function signIn(page) {
  await page.goto(base);
  await page.getByRole('heading', { name: /Sign in|Choose your own/ }).waitFor();
  const enter = async (password) => {
    await page.getByLabel('User name').fill(user);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.frame, .fault, h1:has-text("Choose your own")').first().waitFor();
  };
  await enter(first);
  if (await page.locator('.fault').count()) await enter(fresh);
  if (await page.getByRole('heading', { name: 'Choose your own password' }).count()) {
    await page.getByLabel('Password you just used').fill(first);
    await page.getByLabel('New password', { exact: true }).fill(fresh);
    await page.getByLabel('New password again').fill(fresh);
    await page.getByRole('button', { name: 'Change and go on' }).click();
  }
  await page.locator('.frame').waitFor();
}

/** Goes to an address inside the page, keeping the session. */
export async function go(page, path) {
  await page.evaluate((to) => {
    history.pushState({}, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await page.waitForTimeout(120);
  await page.locator('#main').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.ghost').length === 0, null, { timeout: 4000 }).catch(() => {});
  await page.waitForTimeout(350);
}

export async function shot(page, name) {
  mkdirSync(out, { recursive: true });
  await page.screenshot({ path: join(out, `${name}.png`) });
}
