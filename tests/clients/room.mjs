#!/usr/bin/env node
// Clients of every protocol in one channel, each of which speaks a thousand times: all hear all, in one order.
//
//     node room.mjs http://127.0.0.1:8080 [http://127.0.0.1:8081 …] [--messages 1000]
//
// The clients are dealt to the servers in turns.
// A line for each client with the hash of all that it heard, then `N passed, N failed`. Exits with 1 if one heard something else.

import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Centrifuge } from 'centrifuge';
import { EventSource } from 'eventsource';
import { LongPoll, Socket } from 'phoenix';
import WebSocket from 'ws';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { messages: { type: 'string', default: '1000' } },
});
const webSocket = (base) => base.replace(/^http/, 'ws');
const messages = Number(values.messages);
const CHANNEL = 'room';
const WORDS = /[a-z][a-z-]* \d+/;
/// So many of one client's messages are on their way at once.
const IN_FLIGHT = 8;

/// What a message says, however its protocol wraps it: `who number`. Bytes come as base64 where a protocol has none.
function said(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return said(Buffer.from(value).toString());
  if (typeof value === 'object') return said(value.content ?? value.base64 ?? value.text);
  const found = value.match(WORDS) ?? Buffer.from(value, 'base64').toString().match(WORDS);
  if (!found) throw new Error(`nobody said ${value}`);
  return found[0];
}

function centrifuge(transport, options) {
  return async (hear, base) => {
    const path = { websocket: 'websocket', http_stream: 'http_stream', sse: 'sse' }[transport];
    const endpoint = `${transport === 'websocket' ? webSocket(base) : base}/connection/${path}`;
    const client = new Centrifuge([{ transport, endpoint }], { emulationEndpoint: `${base}/emulation`, ...options });
    const subscription = client.newSubscription(CHANNEL);
    subscription.on('publication', ({ data }) => hear(data));
    subscription.subscribe();
    client.connect();
    await subscription.ready(10_000);
    return { say: (text) => subscription.publish(text), end: () => client.disconnect() };
  };
}

/// The client of another language, in a process of its own: see room.py.
const python = (form) => async (hear, base) => {
  const script = fileURLToPath(new URL('room.py', import.meta.url));
  const child = spawn(process.env.PYTHON ?? 'python3', [script, `${webSocket(base)}/connection/websocket`, CHANNEL, form], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = [];
  const entered = new Promise((resolve, reject) => {
    waiting.push(resolve);
    child.on('exit', () => reject(new Error('room.py ended')));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('heard ')) hear(line.slice('heard '.length));
    else waiting.shift()();
  });
  await entered;
  const say = (text) => new Promise((resolve) => { waiting.push(resolve); child.stdin.write(`${text}\n`); });
  return { say, end: () => child.stdin.end() };
};

function phoenix(options, wrap) {
  return async (hear, base) => {
    const socket = new Socket(`${webSocket(base)}/socket`, options);
    socket.connect();
    const channel = socket.channel(CHANNEL, {});
    channel.onMessage = (event, payload) => {
      if (!/^(phx_|chan_reply|presence_)/.test(event)) hear(payload);
      return payload;
    };
    const answered = (push) => new Promise((resolve, reject) => {
      push.receive('ok', resolve).receive('error', reject).receive('timeout', () => reject(new Error('timeout')));
    });
    await answered(channel.join());
    return { say: (text) => answered(channel.push('said', wrap(text))), end: () => socket.disconnect() };
  };
}

/// A socket that is open, and each text that comes on it.
async function opened(url, hear) {
  const socket = new WebSocket(webSocket(url));
  socket.on('message', (data) => hear(JSON.parse(data.toString())));
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  return { say: (frame) => socket.send(JSON.stringify(frame)), end: () => socket.close() };
}

async function json(hear, base) {
  const asked = new Map();
  const socket = await opened(`${base}/ws`, (frame) => {
    if (frame.type === 'message') hear(frame.content);
    asked.get(frame.id)?.(frame);
  });
  let id = 0;
  const ask = (frame) => new Promise((resolve, reject) => {
    asked.set(++id, (answer) => (answer.type === 'error' ? reject(new Error(answer.message)) : resolve(answer)));
    socket.say({ id, channelId: CHANNEL, ...frame });
  });
  await ask({ type: 'subscribe' });
  return { say: (text) => ask({ type: 'publish', content: text }), end: socket.end };
}

/// The class of the original design, as a client that was generated from it writes it.
const chatMessage = (content) => ({
  className: 'ChatMessage',
  data: {
    __className__: 'ChatMessage', senderName: 'dart', content, timestamp: new Date(0).toISOString(), channelId: CHANNEL,
  },
});

/// Neither way of Serverpod answers a message: one's own copy says that it came.
function echoed(hear) {
  const waiting = [];
  return {
    hear: (content, own) => { hear(content); if (said(content).startsWith(own)) waiting.shift()?.(); },
    say: (send) => new Promise((resolve) => { waiting.push(resolve); send(); }),
  };
}

async function serverpod(hear, base) {
  const own = echoed(hear);
  let pong;
  const ponged = new Promise((resolve) => { pong = resolve; });
  const socket = await opened(`${base}/websocket`, (frame) => {
    if (frame.command === 'pong') pong();
    else if (frame.object.className === 'ChatMessage') own.hear(frame.object.data.content, 'serverpod ');
  });
  const send = (object) => socket.say({ endpoint: 'chat', object });
  send({ className: 'ChannelSubscription', data: { channelId: CHANNEL, subscribe: true } });
  socket.say({ command: 'ping', args: {} });
  await ponged;
  return { say: (text) => own.say(() => send(chatMessage(text))), end: socket.end };
}

async function methodStreams(hear, base) {
  const own = echoed(hear);
  const opening = new Map();
  const socket = await opened(`${base}/v1/websocket`, ({ type, data }) => {
    if (type === 'omsr') opening.get(data.cid)(data.res);
    if (type === 'msm') own.hear(data.o.data.content, 'method-stream ');
  });
  const open = async (m, inputs) => {
    const call = { en: 'chat', m, cid: randomUUID() };
    const res = await new Promise((resolve) => {
      opening.set(call.cid, resolve);
      socket.say({ type: 'omsc', data: { ...call, args: JSON.stringify({ channelId: CHANNEL }), is: inputs } });
    });
    if (res !== 'success') throw new Error(`${m}: ${res}`);
    return call;
  };
  await open('subscribe', []);
  const call = await open('publish', ['messages']);
  const send = (text) => socket.say({ type: 'msm', data: { ...call, p: 'messages', o: chatMessage(text) } });
  return { say: (text) => own.say(() => send(text)), end: socket.end };
}

const kinds = {
  json,
  'centrifuge-socket': centrifuge('websocket', { websocket: WebSocket }),
  'centrifuge-stream': centrifuge('http_stream', { fetch, readableStream: ReadableStream }),
  'centrifuge-sse': centrifuge('sse', { fetch, eventsource: EventSource }),
  'centrifuge-python-json': python('json'),
  'centrifuge-python-protobuf': python('protobuf'),
  'phoenix-text': phoenix({ transport: WebSocket }, (text) => ({ text })),
  'phoenix-binary': phoenix({ transport: WebSocket }, (text) => new TextEncoder().encode(text).buffer),
  'phoenix-poll': phoenix({ transport: LongPoll }, (text) => ({ text })),
  serverpod,
  'method-stream': methodStreams,
};

const expected = messages * Object.keys(kinds).length;

/// A client that is in the channel.
async function enter([name, open], at) {
  const heard = [];
  let finish;
  const done = new Promise((resolve) => { finish = resolve; });
  const client = await open((content) => {
    heard.push(said(content));
    if (heard.length === expected) finish();
  }, positionals[at % positionals.length]);
  return { name, heard, done, ...client };
}

async function speak({ name, say }) {
  let next = 0;
  const one = async () => { while (next < messages) await say(`${name} ${next++}`); };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

const clients = await Promise.all(Object.entries(kinds).map(enter));
const late = setTimeout(() => {
  for (const { name, heard } of clients) console.log(`${name}: ${heard.length} of ${expected}`);
  process.exit(1);
}, 120_000);
await Promise.all(clients.map(speak));
await Promise.all(clients.map(({ done }) => done));
clearTimeout(late);

const hashes = clients.map(({ heard }) => createHash('sha256').update(heard.join('\n')).digest('hex'));
const everything = new Set(clients[0].heard).size === expected;
clients.forEach(({ name }, at) => console.log(`${hashes[at].slice(0, 16)} ${name}`));
const passed = hashes.filter((hash) => everything && hash === hashes[0]).length;
clients.forEach(({ end }) => end());
console.log(`${passed} passed, ${clients.length - passed} failed`);
process.exit(passed === clients.length ? 0 : 1);
