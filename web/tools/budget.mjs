// Fails the build if what a first visit must load grows past its budget, or if a source map would be shipped.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';

const dist = new URL('../dist/', import.meta.url).pathname;
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const size = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
const first = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((m) => m[1]);
const script = first.filter((f) => f.endsWith('.js')).reduce((sum, f) => sum + size(f), 0);
const style = first.filter((f) => f.endsWith('.css')).reduce((sum, f) => sum + size(f), 0);
const all = readdirSync(dist, { recursive: true }).map(String).filter((f) => statSync(join(dist, f)).isFile());
const total = all.reduce((sum, f) => sum + statSync(join(dist, f)).size, 0);
const kb = (n) => `${(n / 1000).toFixed(1)} kB`;

console.log(`first load: ${kb(script)} script + ${kb(style)} style (gzip); whole dist: ${kb(total)} in ${all.length} files`);
if (/<style|<script(?![^>]*\bsrc=)/.test(html)) throw new Error('index.html has inline script or style');
if (all.some((f) => f.endsWith('.map'))) throw new Error('a source map would be shipped');
if (script > 250_000) throw new Error(`first load is over 250 kB of script: ${kb(script)}`);
