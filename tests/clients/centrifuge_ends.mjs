// Cases of sessions that end: by a close of the server, by its stop, or by a failure.

import { request as httpRequest } from 'node:http';
import { Centrifuge } from 'centrifuge';
import { WebSocket } from 'ws';
import {
  Line, api, base, clients, connected, equal, joined, next, url, values, within,
} from './centrifuge_clients.mjs';

export const each = {};
export const once = {};

each.ends = {
  async 'one who says what is no command is closed with 3501, and stays away'(transport) {
    const ann = await connected(transport);
    const end = next(ann, 'disconnected');
    ann._transport.send('{"id":99,"dance":{}}', ann._session, ann._node);
    equal((await end).code, 3501, 'how it ends');
  },

  async 'one who does not answer pings is closed with 3012, and comes back'(transport) {
    const ann = await connected(transport);
    const [gone, back] = [next(ann, 'connecting'), next(ann, 'connected')];
    ann.line.mute = true;
    equal((await gone).code, 3012, 'how it ends');
    ann.line.mute = false;
    await back;
  },

  async 'one who answers them stays for many pings'(transport) {
    const ann = await connected(transport);
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const bob = await connected(transport);
    bob.line.mute = true;
    for (let round = 0; round < 2; round += 1) await next(bob, 'connecting', ({ code }) => code === 3012);
    bob.line.mute = false;
    equal(cuts, 0, 'cuts');
  },

  async 'one who asks faster than it may is answered at its rate, and stays'(transport) {
    const ann = await connected(transport);
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const codes = new Set();
    await Promise.all(Array.from({ length: 60 }, () => ann.rpc('x', {}).catch(({ code }) => codes.add(code))));
    equal([[...codes], cuts], [[108], 0], 'what it heard, and cuts');
  },

  async 'one who asks too much in one message hears 111 and is closed with 3013, and comes back'(transport) {
    const ann = await connected(transport);
    const [gone, back] = [next(ann, 'connecting'), next(ann, 'connected')];
    const codes = new Set();
    ann.startBatching();
    const all = Array.from({ length: 60 }, () => ann.rpc('x', {}).catch(({ code }) => codes.add(code)));
    ann.stopBatching();
    equal((await gone).code, 3013, 'how it ends');
    await Promise.all(all);
    equal(transport !== 'websocket' || codes.has(111), true, 'what it heard');
    await back;
  },
};

/// Publishes until somebody is too slow for it.
async function speakUntilDropped(channel) {
  const dropped = async () => Number(/^chat_dropped_total\{reason="slow"\} (\d+)/m.exec(await (await fetch(url('/metrics'))).text())?.[1] ?? 0);
  const before = await dropped();
  for (let n = 0; (await dropped()) === before; n += 1) {
    if (n === 100) throw new Error('nobody is too slow');
    for (let i = 0; i < 20; i += 1) await api('publish', { channel, data: 'x'.repeat(50_000) });
  }
}

once.ends = {
  async 'a client of Protobuf answers pings, and ends with 3501 for what is no command'() {
    const ann = await connected('protobuf');
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const bob = await connected('websocket');
    bob.line.mute = true;
    for (let round = 0; round < 2; round += 1) await next(bob, 'connecting', ({ code }) => code === 3012);
    bob.line.mute = false;
    equal(cuts, 0, 'cuts');
    const end = next(ann, 'disconnected');
    ann._transport.send(new Uint8Array([255, 255]));
    equal((await end).code, 3501, 'how it ends');
  },
};

once.slow = {
  async 'one who reads too slowly is closed with 3008, and recovers'() {
    const ann = await connected('websocket');
    const sub = await joined(ann, 'slow');
    const gone = next(ann, 'connecting');
    ann.line.socket.pause();
    await speakUntilDropped('slow');
    const again = next(sub, 'subscribed');
    ann.line.socket.resume();
    equal((await gone).code, 3008, 'how it ends');
    equal((await again).wasRecovering, true, 'whether it goes on');
  },

  async 'a stream that is not read ends with 3008, which it says'() {
    const answer = await within(new Promise((resolve, reject) => {
      const asked = httpRequest(url('/connection/http_stream'), { method: 'POST' }, resolve);
      asked.on('error', reject);
      asked.end('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"stream"}}');
    }), 'a stream');
    await speakUntilDropped('stream');
    let text = '';
    for await (const chunk of answer) text += chunk;
    const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line));
    equal([lines[0].id, lines.at(-1)], [1, { push: { disconnect: { code: 3008, reason: 'slow' } } }], 'the first and the last');
  },
};

each.drain = {
  async 'when a server stops, its clients go to the next one'(transport, room) {
    const line = new Line();
    const ann = await connected(transport, {}, line);
    const sub = await joined(ann, room);
    const gone = next(ann, 'connecting');
    return async () => {
      const { code, reason } = await gone;
      const wanted = transport === 'websocket' ? [1, 'transport closed'] : [3001, 'shutdown'];
      equal([code, reason], wanted, 'how it ends');
      const again = next(sub, 'subscribed');
      line.url = values.next;
      equal((await again).recovered, false, 'nothing is known there');
    };
  },
};

// ---- a server that fails at first ----

once.fails = {
  async 'what fails for a moment is tried again by the client itself'(room) {
    const client = new Centrifuge(`${base.replace('http', 'ws')}/connection/websocket`, { websocket: WebSocket });
    clients.push(client);
    const sub = client.newSubscription(room);
    const errors = [];
    for (const each of [client, sub]) each.on('error', ({ error }) => errors.push(error.code));
    const subscribed = next(sub, 'subscribed');
    sub.subscribe();
    client.connect();
    await subscribed;
    equal(errors, [100, 111, 100], 'what it hears before');
  },
};
