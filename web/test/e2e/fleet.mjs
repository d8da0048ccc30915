// An operator at work in a real browser: stops and starts a worker, deploys deckies, changes one, tears it down.
// DECNET_URL, DECNET_ADMIN_PASSWORD, DECNET_NEW_PASSWORD, DECNET_SHOTS as in run.mjs. Exits 1 if anything is not as it should be.
import { go, launch, shot, signIn, visitor } from './browser.mjs';

const browser = await launch();
let failed = false;
const v = await visitor(browser);
const p = v.page;
const patience = { timeout: 60_000 };
try {
  await signIn(p);
  await go(p, '/workers');
  const row = p.locator('tr', { has: p.locator('b', { hasText: /^profile$/ }) });
  await row.getByText('Runs').waitFor(patience);
  await row.getByRole('button', { name: 'Stop profile' }).click();
  await p.getByRole('dialog').getByRole('button', { name: 'Stop profile' }).click();
  await row.getByText('Stopped').waitFor(patience);
  await shot(p, 'workers-stopped');
  await row.getByRole('button', { name: 'Start profile' }).click();
  await row.getByText('Runs').waitFor(patience);
  console.log('  ok   a worker is stopped and started');

  await go(p, '/fleet');
  await p.getByRole('button', { name: 'Deploy', exact: true }).click();
  const form = p.getByRole('dialog');
  await form.getByLabel('Configuration').fill('[decky.shop]\nservices = ["http", "gopher"]\n');
  await form.getByRole('button', { name: 'Check' }).click();
  await p.getByText('is not a service').first().waitFor(patience);
  await form.getByLabel('Configuration').fill('[decky.shop]\namount = 2\nservices = ["http", "ssh"]\n');
  await form.getByRole('button', { name: 'Check' }).click();
  await form.getByText('shop-02').waitFor(patience);
  await shot(p, 'fleet-plan');
  await form.getByRole('button', { name: 'Deploy 2' }).click();
  await p.locator('article.decky.running', { hasText: 'shop-02' }).waitFor(patience);
  await shot(p, 'fleet-deployed');
  console.log('  ok   two deckies are checked and deployed');

  await p.getByRole('link', { name: 'shop-01' }).click();
  await p.getByLabel('Service to add').fill('redis');
  await p.getByRole('button', { name: 'Add service' }).click();
  await p.getByRole('button', { name: 'Take redis away' }).waitFor(patience);
  await shot(p, 'decky-changed');
  await p.getByRole('button', { name: 'Take http away' }).click();
  await p.getByRole('button', { name: 'Take http away' }).waitFor({ state: 'detached', ...patience });
  await p.getByRole('button', { name: 'Tear down' }).click();
  await p.getByRole('dialog').getByRole('button', { name: 'Tear down' }).click();
  await go(p, '/fleet');
  await p.locator('article.decky', { hasText: 'shop-01' }).waitFor({ state: 'detached', ...patience });
  await p.getByRole('button', { name: 'Repair' }).click();
  await p.getByText('Nothing had to be done').waitFor(patience);
  console.log('  ok   one is changed and torn down, and nothing is left to repair');
} catch (error) {
  failed = true;
  console.log(`  FAIL ${error.stack ?? error}`);
  await shot(p, 'fleet-failed').catch(() => {});
}
for (const fault of v.faults) {
  failed = true;
  console.log(`  FAIL ${fault}`);
}
await browser.close();
process.exit(failed ? 1 : 0);
