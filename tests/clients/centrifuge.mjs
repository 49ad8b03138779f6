#!/usr/bin/env node
// Runs a suite of cases with npm's unchanged centrifuge, over each of its transports.
//
//     node centrifuge.mjs SUITE http://127.0.0.1:8080 [--pid N] [--next http://127.0.0.1:8081]
//
// Prints a line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import { PROTOBUF, clients, suite, transports, values } from './centrifuge_clients.mjs';
import * as ends from './centrifuge_ends.mjs';
import * as talk from './centrifuge_talk.mjs';
import * as tokens from './centrifuge_tokens.mjs';

const [each, protobuf, once] = ['each', 'protobuf', 'once'].map((kind) => ({ ...talk[kind], ...tokens[kind], ...ends[kind] }));

/// Runs each case on each of these transports.
function over(all, cases = {}) {
  return all.flatMap((transport) => Object.entries(cases).map(([name, run]) => [`${name} (${transport})`, (room) => run(transport, room)]));
}

const wanted = [
  ...over(transports, each[suite]),
  ...over(Object.keys(PROTOBUF), protobuf[suite]),
  ...Object.entries(once[suite] ?? {}),
];
if (wanted.length === 0) throw new Error(`no suite ${suite}`);
let failed = 0;
const rest = [];

async function attempt(name, run) {
  try {
    return await run();
  } catch (error) {
    failed += 1;
    console.log(`${name}: ${error.message ?? error}`);
  }
}

for (const [n, [name, run]] of wanted.entries()) {
  const later = await attempt(name, () => run(`room-${n}`));
  if (later) rest.push([name, later]);
}
if (values.pid) process.kill(Number(values.pid), 'SIGTERM');
await Promise.all(rest.map(([name, run]) => attempt(name, run)));
for (const made of clients) made.disconnect();
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
