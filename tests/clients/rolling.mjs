// A rolling restart of two servers that are one chat, behind a balancer, with unmodified clients of Centrifuge.
//
//     node rolling.mjs --server "COMMAND with {port}"
//
// The next server is started, the balancer leads to it, and the one before is stopped in order; several times, while somebody
// publishes. Prints what it saw, then `1 passed, 0 failed`.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const { values } = parseArgs({ options: { server: { type: 'string' } } });
const [ROLLS, LISTENERS, WAIT_MS] = [3, 8, 60_000];
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function until(what, is) {
  for (const end = Date.now() + WAIT_MS; !(await is()); await pause(20)) assert(Date.now() < end, `nothing came: ${what}`);
}

async function start() {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { probe.on('listening', resolve); });
  const { port } = probe.address();
  await new Promise((resolve) => { probe.close(resolve); });
  const [command, ...rest] = values.server.replaceAll('{port}', port).split(' ');
  const child = spawn(command, rest, { stdio: 'ignore' });
  process.on('exit', () => child.kill('SIGKILL'));
  await until('a server', async () => (await fetch(`http://127.0.0.1:${port}/ready`).catch(() => null))?.ok);
  const over = new Promise((resolve) => { child.on('exit', resolve); });
  return { port, stop: () => { child.kill('SIGTERM'); return over; } };
}

/// Leads each new connection to the present server.
let node = await start();
const balancer = createServer((client) => {
  const upstream = connect(node.port, '127.0.0.1');
  for (const [from, to] of [[client, upstream], [upstream, client]]) {
    from.on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to);
  }
});
await new Promise((resolve) => { balancer.listen(0, '127.0.0.1', resolve); });

function client(name) {
  const endpoint = `ws://127.0.0.1:${balancer.address().port}/connection/websocket?name=${name}`;
  const made = new Centrifuge([{ transport: 'websocket', endpoint }], { websocket: WebSocket, minReconnectDelay: 20, maxReconnectDelay: 200 });
  made.connect();
  return made;
}

const listeners = await Promise.all(Array.from({ length: LISTENERS }, async (_, n) => {
  const seen = { heard: [], recovered: [] };
  const subscription = client(`listener-${n}`).newSubscription('room');
  subscription.on('publication', ({ data }) => seen.heard.push(data)).on('subscribed', (told) => {
    if (told.wasRecovering) seen.recovered.push(told.recovered);
  });
  subscription.subscribe();
  await subscription.ready(WAIT_MS);
  return seen;
}));

const speaker = client('speaker').newSubscription('room');
speaker.subscribe();
await speaker.ready(WAIT_MS);
const [acknowledged, refused] = [[], []];
let rolls = true;
const speaking = (async () => {
  for (let n = 1; rolls; n += 1) {
    await speaker.publish(n).then(() => acknowledged.push(n), () => refused.push(n));
    // No more than one may.
    await pause(15);
  }
})();

for (let roll = 0; roll < ROLLS; roll += 1) {
  const [before, said] = [node, acknowledged.length];
  node = await start();
  assert.equal(await before.stop(), 0, 'a server stops in order');
  await until('all are back', () => listeners.every(({ recovered }) => recovered.length > roll));
  await until('more is published', () => acknowledged.length > said + 50);
}
rolls = false;
await speaking;

const [first] = listeners;
await until('all that was acknowledged', () => listeners.every(({ heard }) => heard.includes(acknowledged.at(-1))));
for (const { heard, recovered } of listeners) {
  assert.deepEqual(heard, first.heard, 'all hear the same, in one order');
  assert.equal(new Set(heard).size, heard.length, 'nothing is heard twice');
  assert.deepEqual(acknowledged.filter((n) => !heard.includes(n)), [], 'all that was acknowledged is heard');
  assert.deepEqual(recovered, Array(ROLLS).fill(true), 'each way back recovers');
}
console.log(`${acknowledged.length} acknowledged, ${refused.length} refused, ${first.heard.length} heard by each`);
console.log('1 passed, 0 failed');
process.exit(0);
