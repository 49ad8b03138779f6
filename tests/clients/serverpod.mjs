#!/usr/bin/env node
// Peers of both of Serverpod's protocols, as its Dart clients speak them, and the server's page in Chromium, in one channel.
//
//     node serverpod.mjs http://127.0.0.1:8080/
//
// One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import WebSocket from 'ws';
import { randomUUID } from 'node:crypto';
import { launch } from './sockets.mjs';

const WAIT_MS = 20_000;
const base = process.argv[2];
if (!base) {
  console.error('usage: serverpod.mjs URL');
  process.exit(2);
}

// ---- the peers ----

/// A socket whose frames are taken in their order.
async function connect(path) {
  const socket = new WebSocket(new URL(path, base.replace(/^http/, 'ws')));
  const frames = [];
  let wake = () => {};
  socket.on('message', (data, isBinary) => {
    frames.push(isBinary ? { binary: true } : JSON.parse(data.toString()));
    wake();
  });
  socket.on('close', (code) => { frames.push({ closed: code }); wake(); });
  await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject); });
  const hear = async () => {
    const late = setTimeout(() => { frames.push({ late: path }); wake(); }, WAIT_MS);
    while (frames.length === 0) await new Promise((resolve) => { wake = resolve; });
    clearTimeout(late);
    return frames.shift();
  };
  return { say: (frame) => socket.send(JSON.stringify(frame)), hear, close: () => socket.close() };
}

const object = (className, data) => ({ className, data: { __className__: className, ...data } });
const chatMessage = (content, channelId, senderName = 'Dana') =>
  object('ChatMessage', { senderName, content, timestamp: new Date().toISOString(), channelId });

/// A client of 3.4: it pings, and is connected when it hears anything.
async function legacy(channelId) {
  const peer = await connect('/websocket');
  peer.say({ command: 'ping', args: {} });
  same(await peer.hear(), { command: 'pong' });
  const send = (object) => peer.say({ endpoint: 'chat', object });
  send(object('ChannelSubscription', { channelId, subscribe: true }));
  // The protocol has no answer: what one says oneself comes back once one is in.
  return {
    say: (content) => send(chatMessage(content, channelId)),
    hears: async () => {
      const { endpoint, object } = await peer.hear();
      same(endpoint, 'chat');
      return message(object);
    },
    leave: () => send(object('ChannelSubscription', { channelId, subscribe: false })),
    close: peer.close,
  };
}

/// A client of method streams: it pings, then opens `streams` subscribes and one publish.
async function methodStreams(channelId, streams) {
  const peer = await connect('/v1/websocket');
  peer.say({ type: 'ping' });
  same(await peer.hear(), { type: 'pong' });
  const open = async (m, is) => {
    const cid = randomUUID();
    peer.say({ type: 'omsc', data: { en: 'chat', m, cid, args: JSON.stringify({ channelId }), is } });
    same(await peer.hear(), { type: 'omsr', data: { cid, res: 'success', en: 'chat', m } });
    return { en: 'chat', m, cid };
  };
  const subscribed = [];
  for (let n = 0; n < streams; n += 1) subscribed.push(await open('subscribe', []));
  const publish = await open('publish', ['messages']);
  return {
    say: (content) => peer.say({ type: 'msm', data: { ...publish, p: 'messages', o: chatMessage(content, channelId) } }),
    /// One message on each stream.
    hears: async () => {
      const texts = [];
      for (const call of subscribed) {
        const { type, data: { o, ...rest } } = await peer.hear();
        same([type, rest], ['msm', call]);
        texts.push(message(o));
      }
      return texts[0];
    },
    end: async () => {
      peer.say({ type: 'cmsc', data: { ...publish, p: 'messages', cr: 'done' } });
      same(await peer.hear(), { type: 'cmsc', data: { ...publish, cr: 'done' } });
      for (const call of subscribed.splice(0)) {
        peer.say({ type: 'cmsc', data: { ...call, cr: 'done' } });
        same(await peer.hear(), { type: 'cmsc', data: { ...call, cr: 'done' } });
      }
    },
    pings: async () => {
      peer.say({ type: 'ping' });
      same(await peer.hear(), { type: 'pong' });
    },
    close: peer.close,
  };
}

function message({ className, data }) {
  same(className, 'ChatMessage');
  same(Object.keys(data), ['__className__', 'senderName', 'content', 'timestamp', 'channelId']);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{3}){1,2}Z$/.test(data.timestamp)) throw new Error(`a time: ${data.timestamp}`);
  return `${data.senderName}: ${data.content}`;
}

function same(got, wanted) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`expected ${right}, got ${left}`);
}

// ---- the page ----

const browser = await launch();

async function person(name, channel) {
  const context = await browser.newContext({ permissions: ['local-network-access'] });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${base}#${encodeURIComponent(channel)}`);
  await page.fill('#name', name);
  await page.click('#start');
  await page.waitForFunction(() => document.body.dataset.state === 'open');
  return {
    say: async (text) => { await page.fill('#text', text); await page.press('#text', 'Enter'); },
    hears: (text) => page.locator('ol:not([hidden]) .message[data-offset] .content').getByText(text, { exact: true }).waitFor(),
    close: () => context.close(),
  };
}

// ---- the cases ----

const cases = {
  async 'what one says, the others see'() {
    const page = await person('ann', 'one room');
    const old = await legacy('one room');
    old.say('hello from an old client');
    const own = await old.hears();
    same(own, 'Dana: hello from an old client');
    await page.hears('hello from an old client');
    const streams = await methodStreams('one room', 2);
    await page.say('hello from a page');
    same([await old.hears(), await streams.hears()], Array(2).fill('ann: hello from a page'));
    streams.say('hello from a stream');
    const [heard, echoed] = [await old.hears(), await streams.hears()];
    same(heard, echoed);
    same(heard, 'Dana: hello from a stream');
    await page.hears('hello from a stream');
    for (const each of [page, old, streams]) await each.close();
  },

  async 'two streams of one session hear one channel, and end one by one'() {
    const [old, streams] = [await legacy('two streams'), await methodStreams('two streams', 2)];
    for (const text of ['one', 'two', 'three']) {
      old.say(text);
      const [mine, theirs] = [await old.hears(), await streams.hears()];
      same(mine, theirs);
    }
    await streams.end();
    old.say('nobody on the streams');
    await old.hears();
    await streams.pings();
    for (const each of [old, streams]) each.close();
  },
};

let failed = 0;
try {
  for (const [sentence, run] of Object.entries(cases)) {
    try {
      await run();
    } catch (error) {
      failed += 1;
      console.log(`${sentence}: ${error.message.split('\n')[0]}`);
    }
  }
} finally {
  await browser.close();
}
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
