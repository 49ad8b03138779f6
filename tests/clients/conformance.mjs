#!/usr/bin/env node
// Runs the conformance cases against a server with a client of JavaScript: npm's ws, or the WebSocket of Chromium.
//
//     node conformance.mjs ws://127.0.0.1:8080/ws --client ws|chromium [--cases DIR]
//
// One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runCase } from './steps.mjs';
import { openers } from './sockets.mjs';

const AT_ONCE = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: 'string', default: 'ws' },
    cases: { type: 'string', default: fileURLToPath(new URL('../cases', import.meta.url)) },
  },
});
const [url] = positionals;
const opener = openers[values.client];
if (!url || !opener) {
  console.error('usage: conformance.mjs URL --client ws|chromium [--cases DIR]');
  process.exit(2);
}

const cases = readdirSync(values.cases)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .flatMap((file) => JSON.parse(readFileSync(`${values.cases}/${file}`, 'utf8')).map((each) => ({ file, ...each })))
  .filter((each) => (each.only?.includes(values.client) ?? true) && !each.not?.includes(values.client));
if (cases.length === 0) throw new Error(`no cases in ${values.cases}`);

// An address of loopback for each case: what one does wrong counts for no other.
const address = (each) => `127.1.${cases.indexOf(each) >> 8}.${cases.indexOf(each) & 255}`;

const { open, shut } = await opener(url);
const left = [...cases];
let failed = 0;
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let each; (each = left.shift());) {
    try {
      await runCase(each, (query, tell) => open(query, tell, address(each)));
    } catch (error) {
      failed += 1;
      console.log(`${each.file}: ${each.case}: ${error.message}`);
    }
  }
}));
await shut();
console.log(`${cases.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
