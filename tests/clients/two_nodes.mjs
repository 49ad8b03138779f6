// Unmodified clients of two servers that are one chat.
//
//     node two_nodes.mjs http://127.0.0.1:8080 http://127.0.0.1:8081
//
// Both servers have `--user-sessions 2` and the secrets below. A line for each case, then `N passed, N failed`. Exits with 1
// if one failed.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, connect } from 'node:net';
import { Centrifuge } from 'centrifuge';
import { Presence, Socket } from 'phoenix';
import WebSocket from 'ws';

const [here, there] = process.argv.slice(2).map((base) => new URL(base));
const SECRET = 'a secret of some length';
const KEY = 'an api key';
const WAIT_MS = 30_000;

const encoded = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');

function token(user) {
  const said = `${encoded({ alg: 'HS256' })}.${encoded({ sub: user, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${said}.${createHmac('sha256', SECRET).update(said).digest('base64url')}`;
}

const fresh = () => `room-${randomBytes(4).toString('hex')}`;

async function api(node, method, params) {
  const headers = { 'content-type': 'application/json', 'x-api-key': KEY };
  const answer = await fetch(new URL(`/api/${method}`, node), { method: 'POST', headers, body: JSON.stringify(params) });
  return (await answer.json()).result;
}

function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), WAIT_MS); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/// Asks until the answer is the wanted one.
async function becomes(what, wanted, ask) {
  let got;
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await new Promise((resolve) => { setTimeout(resolve, 50); })) {
    got = await ask();
    if (JSON.stringify(got) === JSON.stringify(wanted)) return;
  }
  assert.deepEqual(got, wanted, what);
}

let ends = [];

function centrifuge(host, user) {
  const endpoint = `ws://${host}/connection/websocket`;
  const options = { websocket: WebSocket, token: token(user), minReconnectDelay: 20, maxReconnectDelay: 100 };
  const client = new Centrifuge([{ transport: 'websocket', endpoint }], options);
  ends.push(() => client.disconnect());
  client.connect();
  return client;
}

async function subscribed(client, channel) {
  const subscription = client.newSubscription(channel, { joinLeave: true });
  subscription.subscribe();
  await subscription.ready(WAIT_MS);
  return subscription;
}

async function phoenix(host, user, channel) {
  const socket = new Socket(`ws://${host}/socket`, { transport: WebSocket, params: { token: token(user) } });
  ends.push(() => socket.disconnect());
  socket.connect();
  const joined = socket.channel(channel);
  const presence = new Presence(joined);
  await within('a join', new Promise((resolve, reject) => { joined.join().receive('ok', resolve).receive('error', reject); }));
  return { socket, users: () => presence.list((name) => name).sort() };
}

/// Passes connections on to one node or the other, as a balancer does.
async function balancer(first) {
  let [node, open] = [first, []];
  const server = createServer((client) => {
    if (!node) return client.destroy();
    const upstream = connect(node.port, node.hostname);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      open.push(from);
      from.on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to);
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  ends.push(() => server.close());
  const cut = () => { open.forEach((socket) => socket.destroy()); open = []; };
  return { host: `127.0.0.1:${server.address().port}`, leadsTo: (to) => { node = to; if (!to) cut(); } };
}

const clientsOf = async (node, channel) => {
  const { presence } = await api(node, 'presence', { channel });
  return Object.values(presence).map(({ user }) => user).sort();
};

const cases = {
  async 'all nodes tell the same people, whichever client and node they are on'() {
    const channel = fresh();
    const ann = await subscribed(centrifuge(here.host, 'ann'), channel);
    const joins = [];
    ann.on('join', ({ info }) => joins.push(`+${info.user}`)).on('leave', ({ info }) => joins.push(`-${info.user}`));
    const bob = centrifuge(there.host, 'bob');
    await subscribed(bob, channel);
    const carol = await phoenix(there.host, 'carol', channel);
    for (const node of [here, there]) await becomes('all three', ['ann', 'bob', 'carol'], () => clientsOf(node, channel));
    await becomes('all three for Phoenix', ['ann', 'bob', 'carol'], carol.users);
    await becomes('both joins', ['+bob', '+carol'], () => joins.filter((join) => join !== '+ann').sort());
    assert.deepEqual(await ann.presenceStats(), { numClients: 3, numUsers: 3 });
    bob.disconnect();
    for (const node of [here, there]) await becomes('two', ['ann', 'carol'], () => clientsOf(node, channel));
    await becomes('two for Phoenix', ['ann', 'carol'], carol.users);
    await becomes('a leave', true, () => joins.includes('-bob'));
  },

  async 'a client that comes back on the other node gets what it missed, in order'() {
    const channel = fresh();
    const line = await balancer(here);
    const ann = centrifuge(line.host, 'ann');
    const subscription = await subscribed(ann, channel);
    const heard = [];
    subscription.on('publication', ({ data }) => heard.push(data));
    const bob = await subscribed(centrifuge(there.host, 'bob'), channel);
    await bob.publish(0);
    await becomes('the first', [0], () => heard);
    const away = new Promise((resolve) => { ann.once('connecting', resolve); });
    line.leadsTo(null);
    await within('the loss', away);
    for (let n = 1; n < 20; n += 1) await bob.publish(n);
    const back = new Promise((resolve) => { subscription.once('subscribed', resolve); });
    line.leadsTo(there);
    assert.equal((await within('the way back', back)).recovered, true);
    await bob.publish(20);
    await becomes('all', Array.from({ length: 21 }, (_, n) => n), () => heard);
  },

  async 'a user who is disconnected on one node is out on both'() {
    const codes = [here, there].map((node) => {
      const client = centrifuge(node.host, 'dave');
      const over = new Promise((resolve) => { client.on('disconnected', ({ code }) => resolve(code)); });
      return { ready: client.ready(WAIT_MS), over };
    });
    await Promise.all(codes.map(({ ready }) => ready));
    await api(here, 'disconnect', { user: 'dave' });
    for (const { over } of codes) assert.equal(await within('the end', over), 3503);
  },

  async 'a user has no more sessions than one may have, on both nodes together'() {
    for (const node of [here, there]) await centrifuge(node.host, 'eve').ready(WAIT_MS);
    for (const node of [here, there]) {
      // A node hears of another's sessions after a moment.
      // The refusal of its connect becomes the code with which the client stays away.
      await becomes('too many', 106, async () => {
        const client = centrifuge(node.host, 'eve');
        const over = new Promise((resolve) => { client.on('disconnected', ({ code }) => resolve(code)); });
        const code = await within('an answer', Promise.race([over, client.ready(WAIT_MS).then(() => 'in')]));
        client.disconnect();
        return code;
      });
    }
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
  ends.forEach((end) => end());
  ends = [];
}
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
