// The two WebSockets of JavaScript, behind one face.
//
// An opener takes the server's URL and gives { open, shut }. `open(query, tell)` gives a socket { send, binary, close, cut }
// once the handshake is through, from the local address `from` if it can; `tell` is called with every event: { frame: text }, { binary: true } or { closed: code }.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import WebSocket from 'ws';
import { chromium } from 'playwright-core';

export const openers = { ws: overWs, chromium: overChromium };

async function overWs(url) {
  const open = (query, tell, from) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url + query, { localAddress: from });
    socket.on('message', (data, isBinary) => tell(isBinary ? { binary: true } : { frame: data.toString() }));
    socket.on('close', (code) => tell({ closed: code }));
    socket.on('error', reject);
    socket.on('open', () => resolve({
      send: (text) => socket.send(text),
      binary: (hex) => socket.send(Buffer.from(hex, 'hex')),
      close: (code) => socket.close(code),
      cut: () => socket.terminate(),
    }));
  });
  return { open, shut: async () => {} };
}

/// Chromium without a window, and without a word to anybody else.
///
/// It runs on one core: where the clocks of two cores differ, as in some restored virtual machines, its network process
/// sees time go back and ends itself.
export function launch() {
  stayOnOneCore();
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? findOnPath('chromium'),
    args: [
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

// What this process starts from now on inherits it.
function stayOnOneCore() {
  const taskset = (...list) => execFileSync('taskset', ['--cpu-list', '--pid', ...list, process.pid], { encoding: 'utf8' });
  const [first] = taskset().match(/(?<=: )\d+/);
  taskset(first);
}

async function overChromium(url) {
  const browser = await launch();
  const context = await browser.newContext({ permissions: ['local-network-access'] });
  const page = await context.newPage();

  // An empty page of the server's own origin, whatever the server itself answers there.
  const origin = new URL(url.replace(/^ws/, 'http')).origin;
  await page.route(`${origin}/`, (route) => route.fulfill({ contentType: 'text/html', body: '<title>cases</title>' }));
  await page.goto(`${origin}/`);

  const tells = [];
  await page.exposeFunction('tell', (at, event) => tells[at](event));
  await page.evaluate(() => { globalThis.sockets = []; });

  const open = async (query, tell) => {
    const at = tells.push(tell) - 1;
    await page.evaluate(([to, at]) => new Promise((resolve, reject) => {
      const socket = new WebSocket(to);
      globalThis.sockets[at] = socket;
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error('the handshake failed'));
      socket.onmessage = ({ data }) => globalThis.tell(at, typeof data === 'string' ? { frame: data } : { binary: true });
      socket.onclose = ({ code }) => globalThis.tell(at, { closed: code });
    }), [url + query, at]);
    return {
      send: (text) => page.evaluate(([at, text]) => globalThis.sockets[at].send(text), [at, text]),
      binary: (hex) => page.evaluate(([at, bytes]) => globalThis.sockets[at].send(new Uint8Array(bytes)),
        [at, [...Buffer.from(hex, 'hex')]]),
      close: (code) => page.evaluate(([at, code]) => globalThis.sockets[at].close(...code), [at, code ? [code] : []]),
      cut: () => page.evaluate((at) => globalThis.sockets[at].close(), at),
    };
  };
  return { open, shut: () => browser.close() };
}

function findOnPath(name) {
  const found = process.env.PATH.split(':').map((folder) => `${folder}/${name}`).find(existsSync);
  if (!found) throw new Error(`no ${name} on the PATH: name one in CHROMIUM`);
  return found;
}
