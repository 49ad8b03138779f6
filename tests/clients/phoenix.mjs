#!/usr/bin/env node
// Runs a set of cases with npm's unchanged phoenix, over WebSocket (npm's ws) and over its long poll.
//
//     node phoenix.mjs SET URL [--token GOOD --bad-token BAD] [--server "COMMAND with {port}"]
//
// URL is the socket's, such as ws://127.0.0.1:8080/socket. SET is `open` (a server without flags), `token` (one
// that requires tokens), `crash` (one whose event `crash` removes its sender, and which answers joins of `slow`
// after the event `decide`), or `stop` (which starts its server itself). `--client` names another version of the
// client, as in package.json. Prints a line for each case that fails, then `N passed, N failed`. Exits with 1 if
// a case failed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import WebSocket, { WebSocketServer } from 'ws';
import {
  LongPoll, Presence, answer, bytes, connect, disconnectAll, fresh, heard, join, list, on, once, set,
  transports, url, values, within,
} from './phoenix_clients.mjs';

// ---- cases on either transport ----

const either = {
  async 'a push is answered, and heard by all who joined'(transport) {
    const topic = fresh();
    const [ann, bob] = [connect('ann', { transport }), connect('bob', { transport })];
    const [here, there] = [await join(ann, topic, { hello: 1 }), await join(bob, topic)];
    const all = Promise.all([on(here, 'new_msg'), on(there, 'new_msg')]);
    assert.equal((await answer(here.push('new_msg', { body: 'é "quoted"' })))[0], 'ok');
    assert.deepEqual(await all, [{ body: 'é "quoted"' }, { body: 'é "quoted"' }]);
  },

  async 'many pushes are heard in their order'(transport) {
    const topic = fresh();
    const [here, there] = [await join(connect('ann', { transport }), topic), await join(connect('bob', { transport }), topic)];
    const orders = [[], []];
    const all = [here, there].map((channel, at) => within('all', (resolve) => {
      channel.on('n', ({ n }) => { if (orders[at].push(n) === 120) resolve(); });
    }));
    for (let n = 0; n < 120; n += 1) (n % 2 ? here : there).push('n', { n });
    await Promise.all(all);
    assert.deepEqual(orders[0], orders[1]);
    assert.deepEqual(orders[0].filter((n) => n % 2), [...Array(60).keys()].map((n) => 2 * n + 1));
  },

  async 'bytes are heard as bytes over a WebSocket and as base64 over a long poll'(transport) {
    const topic = fresh();
    const [here, there] = [await join(connect('ann', { transport }), topic), await join(connect('bob'), topic)];
    const all = Promise.all([on(here, 'bin'), on(there, 'bin')]);
    assert.equal((await answer(here.push('bin', bytes(0, 1, 255))))[0], 'ok');
    const [own, other] = await all;
    assert.deepEqual(list(other), [0, 1, 255]);
    if (transport === LongPoll) assert.deepEqual(own, { base64: 'AAH/' });
    else assert.deepEqual(list(own), [0, 1, 255]);
  },

  async 'who is there is known by user and session'(transport) {
    const topic = fresh();
    const socket = connect('ann', { transport });
    const channel = socket.channel(topic);
    const presence = new Presence(channel);
    const changes = [];
    let look = () => {};
    presence.onJoin((user, before, now) => changes.push(`+${user} ${before ? before.metas.length : 0}`));
    presence.onLeave((user, now) => changes.push(`-${user} ${now.metas.length}`));
    presence.onSync(() => look());
    const present = () => presence.list((user, { metas }) => `${user} ${metas.length}`).sort();
    const becomes = (...wanted) => once(`${wanted} to be there`, (call) => { look = call; },
      () => JSON.stringify(present()) === JSON.stringify(wanted));
    channel.join();
    await becomes('ann 1');
    const [phone, desk] = [connect('bob', { transport }), connect('bob', { transport })];
    await join(phone, topic);
    await becomes('ann 1', 'bob 1');
    await join(desk, topic);
    await becomes('ann 1', 'bob 2');
    const [meta] = presence.state.bob.metas;
    assert.equal(meta.name, 'bob');
    assert.equal(new Set(presence.state.bob.metas.map(({ phx_ref }) => phx_ref)).size, 2);
    // A client that polls no more is missed only after a while.
    if (transport === LongPoll) phone.channels[0].leave();
    else phone.disconnect();
    await becomes('ann 1', 'bob 1');
    desk.channels[0].leave();
    await becomes('ann 1');
    assert.ok(changes.includes('+bob 0') && changes.includes('-bob 1') && changes.at(-1) === '-bob 0', changes.join());
  },

  async 'a channel that is joined twice is the second one'(transport) {
    const topic = fresh();
    const socket = connect('ann', { transport });
    const first = await join(socket, topic);
    const closed = within('a close', (resolve) => first.onClose(resolve));
    const second = await join(socket, topic);
    await closed;
    assert.deepEqual([first.state, second.state], ['closed', 'joined']);
    const said = on(second, 'again');
    second.push('again', { n: 1 });
    assert.deepEqual(await said, { n: 1 });
  },

  async 'a join without a leave before it ends the old one under its own ref'(transport) {
    const topic = fresh();
    const socket = connect('ann', { transport });
    const channel = await join(socket, topic);
    const old = channel.joinRef();
    const end = heard(socket, ({ event }) => event === 'phx_close');
    const joined = heard(socket, ({ event, ref }) => event === 'phx_reply' && ref === '1000');
    socket.push({ topic, event: 'phx_join', payload: {}, ref: '1000', join_ref: '1000' });
    assert.equal((await end).join_ref, old);
    assert.equal((await joined).payload.status, 'ok');
    assert.equal(channel.state, 'closed');
  },

  async 'a leave while joining leaves, and the topic can be joined again'(transport) {
    const topic = fresh();
    const socket = connect('ann', { transport });
    await once('open', (call) => socket.onOpen(call), () => socket.isConnected());
    const first = socket.channel(topic);
    const closed = within('a close', (resolve) => first.onClose(resolve));
    const left = heard(socket, ({ event, topic: of }) => event === 'phx_close' && of === topic);
    first.join();
    first.leave();
    await Promise.all([closed, left]);
    const again = await join(socket, topic);
    assert.equal((await answer(again.push('x', {})))[0], 'ok');
  },

  async 'a topic that is not joined is unmatched, and may be left'(transport) {
    const socket = connect('ann', { transport });
    const reply = (wanted) => heard(socket, ({ event, ref }) => event === 'phx_reply' && ref === wanted);
    const [pushed, left] = [reply('2000'), reply('2001')];
    socket.push({ topic: 'nowhere', event: 'x', payload: {}, ref: '2000', join_ref: '7' });
    socket.push({ topic: 'nowhere', event: 'phx_leave', payload: {}, ref: '2001', join_ref: '7' });
    const { join_ref, payload } = await pushed;
    assert.deepEqual([join_ref, payload], [null, { status: 'error', response: { reason: 'unmatched topic' } }]);
    assert.equal((await left).payload.status, 'ok');
  },

  async 'what is too long is refused, and the client goes on'(transport) {
    const socket = connect('ann', { transport });
    const [status, { reason }] = await answer(socket.channel('t'.repeat(256)).join());
    assert.deepEqual([status, reason], ['error', 'bad request']);
    const channel = await join(socket, 't'.repeat(255));
    const [pushed, why] = await answer(channel.push('e'.repeat(256), {}));
    assert.deepEqual([pushed, why.reason], ['error', 'bad request']);
    if (values.client === 'phoenix') assert.throws(() => channel.push('e'.repeat(256), bytes(1)), /unable to convert event to binary/);
    const said = on(channel, 'e'.repeat(255));
    assert.equal((await answer(channel.push('e'.repeat(255), bytes(1))))[0], 'ok');
    assert.deepEqual(transport === LongPoll ? await said : list(await said), transport === LongPoll ? { base64: 'AQ==' } : [1]);
  },

  async 'a push of the protocol\'s own words is refused'(transport) {
    const channel = await join(connect('ann', { transport }), fresh());
    for (const event of ['phx_close', 'phx_error', 'presence_state', 'chan_reply_1']) {
      assert.equal((await answer(channel.push(event, {})))[0], 'error', event);
    }
    assert.equal(channel.state, 'joined');
  },
};

// ---- cases on a WebSocket alone ----

const open = {
  async 'heartbeats are answered'() {
    const socket = connect('ann', { heartbeatIntervalMs: 40 });
    let closes = 0;
    socket.onClose(() => { closes += 1; });
    const beats = [];
    await within('heartbeats', (resolve) => socket.onMessage(({ topic, event, payload }) => {
      if (topic === 'phoenix' && event === 'phx_reply') beats.push(payload.status);
      if (beats.length === 5) resolve();
    }));
    assert.deepEqual([new Set(beats), closes], [new Set(['ok']), 0]);
  },

  async 'a channel too many is refused'() {
    const socket = connect('ann');
    const answers = await Promise.all([...Array(129).keys()].map((n) => answer(socket.channel(`many:${n}`).join())));
    const refused = answers.filter(([status]) => status === 'error');
    assert.equal(refused.length, 1);
    assert.equal(refused[0][1].reason, 'too many channels joined');
  },

  async 'another version is refused with 403'() {
    const status = await within('a refusal', (resolve) => {
      const socket = new WebSocket(`${url}/websocket?vsn=1.0.0`);
      socket.on('error', () => {});
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    });
    assert.equal(status, 403);
  },

  async 'a message of the plain protocol is an event with its sender'() {
    const topic = fresh();
    const channel = await join(connect('ann'), topic);
    const message = on(channel, 'message');
    const plain = new WebSocket(`${new URL(url).origin.replace('http', 'ws')}/ws?name=bob`);
    plain.on('open', () => {
      plain.send(JSON.stringify({ type: 'subscribe', channelId: topic }));
      plain.send(JSON.stringify({ type: 'publish', channelId: topic, content: 'hi' }));
    });
    const { senderName, content, channelId, offset } = await message;
    assert.deepEqual([senderName, content, channelId, offset], ['bob', 'hi', topic, 1]);
    const event = within('an event', (resolve) => plain.on('message', (data) => {
      const frame = JSON.parse(data);
      if (frame.event) resolve(frame);
    }));
    channel.push('new_msg', { body: 1 });
    const frame = await event;
    assert.deepEqual([frame.senderName, frame.event, frame.content], ['ann', 'new_msg', { body: 1 }]);
    plain.close();
  },

  async 'a presence_diff before the presence_state is survived'() {
    const topic = fresh();
    const proxy = await holding((frame) => frame[3] === 'presence_state', (frame) => frame[3] === 'presence_diff');
    const channel = connect('ann', { at: proxy.url }).channel(topic);
    const presence = new Presence(channel);
    const synced = within('a sync', (resolve) => presence.onSync(() => resolve()));
    channel.join();
    await within('the state to be held', (resolve) => { proxy.held = resolve; });
    const bob = connect('bob');
    await join(bob, topic);
    await synced;
    assert.deepEqual(proxy.order, ['presence_diff', 'presence_state']);
    assert.deepEqual(presence.list((user) => user).sort(), ['ann', 'bob']);
    proxy.close();
  },

  async 'a long poll begins with a token that nobody guesses'() {
    const at = `${url.replace('ws', 'http')}/longpoll?vsn=2.0.0`;
    const first = await (await fetch(at)).json();
    assert.deepEqual([first.status, first.messages], [410, []]);
    assert.match(first.token, /^[0-9a-f]{32}$/);
    const second = await (await fetch(`${at}&token=${first.token.replace(/./g, '0')}`)).json();
    assert.equal(second.status, 410);
    assert.notEqual(second.token, first.token);
    const posted = await (await fetch(`${at}&token=nonsense`, { method: 'POST', body: '[]' })).json();
    assert.equal(posted.status, 410);
    assert.equal((await (await fetch(at.replace('2.0.0', '1.0.0'))).json()).status, 403);
  },
};

/// Starts a proxy that holds frames for which `held` is true until one comes for which `freed` is true.
async function holding(held, freed) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.on('listening', resolve));
  const proxy = { url: `ws://127.0.0.1:${server.address().port}/socket`, order: [], held: () => {}, close: () => server.close() };
  server.on('connection', (client, { url: path }) => {
    const there = new WebSocket(`${url}${path.slice('/socket'.length)}`);
    const early = [];
    const kept = [];
    client.on('message', (data) => (there.readyState === WebSocket.OPEN ? there.send(data.toString()) : early.push(data.toString())));
    there.on('open', () => early.forEach((text) => there.send(text)));
    there.on('message', (data) => {
      const [text, frame] = [data.toString(), JSON.parse(data)];
      if (held(frame)) {
        kept.push(text);
        return proxy.held();
      }
      client.send(text);
      if (freed(frame)) {
        proxy.order.push(...[frame, ...kept.map((each) => JSON.parse(each))].map((each) => each[3]));
        kept.splice(0).forEach((each) => client.send(each));
      }
    });
    client.on('close', () => there.close());
    there.on('close', () => client.close());
  });
  return proxy;
}

// ---- cases with tokens ----

const token = {
  async 'a token among the subprotocols lets in'(transport) {
    const socket = connect('eve', { transport, authToken: values.token });
    const channel = socket.channel(fresh());
    const state = on(channel, 'presence_state');
    assert.equal((await answer(channel.join()))[0], 'ok');
    assert.deepEqual(Object.keys(await state), ['ann']);
    if (transport === WebSocket) assert.equal(socket.conn.protocol, 'phoenix');
  },

  async 'a token that does not hold lets nobody in'(transport) {
    const authToken = values['bad-token'];
    const socket = connect('eve', { transport, authToken, reconnectAfterMs: () => 60_000 });
    let joined = false;
    socket.channel(fresh()).join().receive('ok', () => { joined = true; });
    const { code } = await within('a close', (resolve) => socket.onClose(resolve));
    // The client is refused before its socket is open.
    assert.equal(code, transport === LongPoll ? 1008 : 1006);
    assert.equal(joined, false);
  },

  async 'a token on the URL lets in as well'(transport) {
    const channel = await join(connect(null, { transport, params: { token: values.token } }), fresh());
    assert.equal((await answer(channel.push('x', {})))[0], 'ok');
  },
};

// ---- cases with a server that fails ----

const crash = {
  async 'a channel that crashes is joined again by its client'() {
    const topic = fresh();
    const [ann, bob] = [connect('ann'), connect('bob')];
    const [here, there] = [await join(ann, topic), await join(bob, topic)];
    const first = here.joinRef();
    const error = within('an error', (resolve) => here.onError(resolve));
    here.push('crash', {});
    assert.equal((await error).reason, 'internal server error');
    await once('a second join', (call) => ann.onMessage(() => setTimeout(call)), () => here.state === 'joined');
    assert.notEqual(here.joinRef(), first);
    const said = on(here, 'after');
    there.push('after', { n: 1 });
    assert.deepEqual(await said, { n: 1 });
  },

  async 'a channel that is left while its join is decided on is left'() {
    const socket = connect('ann');
    await once('open', (call) => socket.onOpen(call), () => socket.isConnected());
    const judge = await join(connect('bob'), 'judge');
    const slow = socket.channel('slow');
    const replies = [];
    const end = heard(socket, ({ event, topic, payload }) => {
      if (topic === 'slow') replies.push(payload.status ?? event);
      return event === 'phx_close' && topic === 'slow';
    });
    slow.join();
    slow.leave();
    judge.push('decide', {});
    await end;
    assert.deepEqual(replies, ['ok', 'ok', 'phx_close']);
    assert.equal(slow.state, 'closed');
    const again = await join(socket, 'slow');
    assert.equal((await answer(again.push('x', {})))[0], 'ok');
  },
};

// ---- cases with a server that stops ----

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function start(port) {
  const [command, ...rest] = values.server.replaceAll('{port}', port).split(' ');
  const child = spawn(command, rest, { stdio: 'ignore' });
  const healthy = async () => {
    while (!(await fetch(`http://127.0.0.1:${port}/health`).catch(() => null))?.ok) await new Promise((next) => setTimeout(next, 20));
  };
  await healthy();
  return child;
}

const stop = {
  async 'a stop makes the client come back, and join again'(transport) {
    const port = await freePort();
    const at = `ws://127.0.0.1:${port}/socket`;
    let server = await start(port);
    try {
      const topic = fresh();
      const socket = connect('ann', { transport, at });
      const channel = await join(socket, topic);
      const closed = within('a close', (resolve) => socket.onClose(resolve));
      const ended = new Promise((resolve) => server.on('exit', resolve));
      server.kill('SIGTERM');
      // The last word of a long poll may not come through before the process ends: then it is that of a lost server.
      assert.ok((transport === LongPoll ? [3410, 1011] : [1001]).includes((await closed).code));
      assert.equal(await ended, 0);
      server = await start(port);
      await once('a second join', (call) => socket.onMessage(() => setTimeout(call)), () => channel.state === 'joined');
      const said = on(channel, 'after');
      channel.push('after', { n: 1 });
      assert.deepEqual(await said, { n: 1 });
    } finally {
      server.kill('SIGKILL');
    }
  },
};

// ---- all of a set ----

const sets = { open: [open, either], token: [{}, token], crash: [crash, {}], stop: [{}, stop] };
if (!sets[set]) {
  console.error('usage: phoenix.mjs open|token|crash|stop URL');
  process.exit(2);
}
const [once_, each] = sets[set];
const runs = Object.entries(once_).map(([name, run]) => [name, () => run()]);
for (const [transport, of] of Object.entries(transports)) {
  for (const [name, run] of Object.entries(each)) runs.push([`${transport}: ${name}`, () => run(of)]);
}
let failed = 0;
for (const [name, run] of runs) {
  try {
    await run();
  } catch (error) {
    failed += 1;
    console.log(`${name}: ${error.stack ?? error}`);
  }
  disconnectAll();
}
console.log(`${runs.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
