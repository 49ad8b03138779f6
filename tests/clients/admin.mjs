#!/usr/bin/env node
// Uses the page of the people who run the server, in Chromium, with a hundred real sessions.
//
//     node admin.mjs --server "chat-server --listen 127.0.0.1:{port} --admin-key a-long-and-random-key"
//
// ADMIN_PICTURE=FILE.png takes pictures: FILE.png, FILE-dark.png, FILE-channel.png, FILE-phone.png.
// One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import WebSocket from 'ws';
import { base, browser, closers, context, equal, everybodyGoes, stop, values, visit } from './people.mjs';

const KEY = 'a-long-and-random-key';
const HOSTILE = ['<script>document.title = "taken"</script>', '\u202eesrever\u200f', 'x'.repeat(255), '<img src=x onerror=alert(1)>', '" onclick="alert(1)'];
const NAMES = ['Ann', 'Bob', 'Carol', 'Dmitri', 'Eve', 'Fatima', 'Gül', 'Håkon', 'Inga', '健'];

const look = { viewport: { width: 1200, height: 800 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'Europe/Berlin' };
const phone = { ...look, viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

// ---- sessions ----

const PATHS = [
  (name) => [`ws?name=${encodeURIComponent(name)}`, { type: 'subscribe', channelId: 'lobby' }],
  (name) => ['connection/websocket', { id: 1, connect: { data: { name } } }, { id: 2, subscribe: { channel: 'lobby' } }],
  (name) => [`socket/websocket?vsn=2.0.0&name=${encodeURIComponent(name)}`, ['1', '1', 'lobby', 'phx_join', {}]],
];

/// A session of some protocol that is in the channel `lobby`.
function session(name, speak = PATHS[0]) {
  const [path, ...frames] = speak(name);
  const socket = new WebSocket(`${base.replace('http', 'ws')}${path}`);
  socket.closed = new Promise((resolve) => socket.on('close', resolve));
  closers.push(() => { socket.terminate(); return socket.closed; });
  socket.heard = [];
  socket.on('message', (data) => socket.heard.push(data.toString()));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => frames.forEach((frame) => socket.send(JSON.stringify(frame))));
    socket.once('message', () => resolve(socket));
  });
}

async function crowd(count) {
  const names = [...HOSTILE, ...Array.from({ length: count - HOSTILE.length }, (_, n) => `${NAMES[n % NAMES.length]} ${n}`)];
  for (const [n, name] of names.entries()) await session(name, name.length > 200 ? PATHS[0] : PATHS[n % 3]);
  return names;
}

// ---- the page ----

async function open(options = look, key = KEY) {
  const page = await visit(await context(options), `${base}admin`);
  page.removeAllListeners('dialog');
  page.questions = [];
  page.on('dialog', (dialog) => { page.questions.push(dialog.message()); dialog.accept(); });
  await page.getByLabel('Key').fill(key);
  await page.getByRole('button', { name: 'Open' }).click();
  return page;
}

const rows = (page) => page.locator('tbody tr');
const shows = (page, count) => page.waitForFunction((count) => document.querySelectorAll('tbody tr').length === count, count);
const rowOf = (page, name) => rows(page).filter({ has: page.locator('td[data-label=Name]').getByText(name, { exact: true }) });

async function inside(page) {
  const beside = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  equal(beside, 0, 'pixels beside the window');
}

async function picture(page, what = '') {
  const file = process.env.ADMIN_PICTURE;
  if (file) await page.screenshot({ path: file.replace('.png', `${what}.png`) });
}

const cases = {
  'a wrong key shows nothing and a right one a hundred sessions': async () => {
    await crowd(100);
    const page = await open(look, 'a wrong key');
    await page.getByRole('alert').getByText('the key is missing or wrong').waitFor();
    equal(await page.locator('#app').isVisible(), false, 'the lists');
    await page.getByLabel('Key').fill(KEY);
    await page.getByRole('button', { name: 'Open' }).click();
    await shows(page, 100);
    await page.getByText('100 sessions of 100 users, 1 channel, ').waitFor();
    equal(await page.getByRole('button', { name: 'Next page' }).isDisabled(), true, 'there is no next page');
    const protocols = await page.locator('td[data-label=Protocol]').allTextContents();
    equal([...new Set(protocols)].length, 3, `the protocols ${protocols}`);
    equal(await page.locator('td[data-label=From]').first().textContent(), '127.0.0.1', 'where it comes from');
    await rowOf(page, 'Ann 0').scrollIntoViewIfNeeded();
    await page.evaluate(() => window.scrollTo(0, 0));
    await picture(page);
    await inside(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(page, '-dark');
    equal(page.errors.join(), '', 'errors of the page');
  },
  'what a client is called is text and no more': async () => {
    const names = await crowd(6);
    const page = await open();
    await shows(page, 6);
    const shown = await page.locator('td[data-label=Name] bdi').evaluateAll((all) => all.map((one) => one.textContent));
    equal(JSON.stringify(shown), JSON.stringify(names), 'the names');
    equal(await page.locator('td script, td img').count(), 0, 'elements in the rows');
    const unseen = await rows(page).nth(1).locator('td[data-label=Name]').textContent();
    equal(unseen.endsWith(' has U+202E, U+200F'), true, `a name that looks like another is ${unseen}`);
    await rows(page).nth(1).getByRole('button').click();
    await page.getByText('is disconnected').waitFor();
    equal(page.questions.pop().includes('\u2068[U+202E]esrever[U+200F]\u2069'), true, 'the question');
    equal(await page.title(), 'Chat: administration', 'the title');
    const height = await rows(page).nth(2).evaluate((row) => row.offsetHeight);
    equal(height < 200, true, `a long name takes ${height} px`);
    await page.getByRole('button', { name: `Disconnect: ${HOSTILE[0]}`, exact: false }).click();
    await page.getByText('is disconnected').waitFor();
    equal(page.questions.length, 1, 'it asks once');
    equal(page.errors.join(), '', 'errors of the page');
  },
  'a session is disconnected and its client stays away': async () => {
    const [ann, bob] = [await session('Ann'), await session('Bob')];
    const page = await open();
    await shows(page, 2);
    await rowOf(page, 'Bob').getByRole('button', { name: /^Disconnect/ }).click();
    equal(await bob.closed, 3503, 'the code of the close');
    await shows(page, 1);
    await page.getByRole('status').getByText('is disconnected').waitFor();
    equal(ann.readyState, WebSocket.OPEN, 'Ann is still there');
    ann.close();
    await shows(page, 0);
    await page.getByText('Nothing is here.').waitFor();
  },
  'a session is unsubscribed from a channel and goes on': async () => {
    const [ann, bob] = [await session('Ann'), await session('Bob')];
    const page = await open();
    await page.getByRole('button', { name: 'Channels' }).click();
    await page.getByRole('button', { name: 'Sessions in lobby' }).click();
    await page.getByRole('heading', { name: 'Sessions in lobby' }).waitFor();
    await shows(page, 2);
    await picture(page, '-channel');
    await rowOf(page, 'Bob').getByRole('button', { name: /^Unsubscribe/ }).click();
    await shows(page, 1);
    await page.getByRole('status').getByText('is unsubscribed').waitFor();
    while (!bob.heard.some((frame) => JSON.parse(frame).type === 'unsubscribed')) await new Promise((next) => bob.once('message', next));
    equal(bob.readyState, WebSocket.OPEN, 'Bob is still connected');
    ann.close();
    bob.close();
    await Promise.all([ann.closed, bob.closed]);
  },
  'there is a next page, and a search by name': async () => {
    await crowd(105);
    const page = await open();
    await shows(page, 100);
    await page.getByRole('button', { name: 'Next page' }).click();
    await shows(page, 5);
    equal(await page.getByRole('button', { name: 'Next page' }).isDisabled(), true, 'it is the last page');
    await page.getByRole('button', { name: 'First page' }).click();
    await shows(page, 100);
    await page.getByLabel('User or name begins with').fill('Fatima');
    await page.keyboard.press('Enter');
    await shows(page, 10);
    await page.getByRole('button', { name: 'Channels' }).click();
    await shows(page, 1);
  },
  'what cannot be loaded leaves no rows of another list under its title': async () => {
    await session('Ann');
    const page = await open();
    await shows(page, 1);
    await page.route('**/admin/api/channels*', (route) => route.fulfill({ status: 429, contentType: 'application/json', body: '{"error":"too many requests"}' }));
    await page.getByRole('button', { name: 'Channels' }).click();
    await page.getByRole('status').getByText('too many requests').waitFor();
    equal(await rows(page).count(), 0, 'rows of sessions');
    equal(await page.locator('th').count(), 0, 'columns of sessions');
  },
  'it is used on a phone': async () => {
    await crowd(8);
    const page = await open(phone);
    await shows(page, 8);
    await inside(page);
    await picture(page, '-phone');
    const low = await page.locator('button:visible').evaluateAll((all) => all.filter((one) => one.offsetHeight < 40).map((one) => one.textContent));
    equal(low.join(), '', 'buttons that a finger misses');
    await rows(page).nth(5).getByRole('button', { name: /^Disconnect/ }).tap();
    await shows(page, 7);
  },
  'every control has a name, and the key is gone with the page': async () => {
    const page = await open();
    await page.getByText('Nothing is here.').waitFor();
    const unnamed = await page.locator('button:visible, input:visible').evaluateAll((all) => all.filter((one) => !(one.textContent || one.labels?.length || one.ariaLabel)).length);
    equal(unnamed, 0, 'controls without a name');
    const kept = await page.evaluate(() => [document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage), document.getElementById('key').value].join(''));
    equal(kept, '', 'what is kept');
    equal(page.url().includes('key'), false, 'the address has the key');
    await page.reload();
    equal(await page.getByLabel('Key').isVisible(), true, 'the form is back');
    equal(await page.locator('#app').isVisible(), false, 'the lists are not');
  },
};

const wanted = Object.entries(cases).filter(([sentence]) => sentence.includes(values.only ?? ''));
let failed = 0;
try {
  for (const [sentence, run] of wanted) {
    try {
      await run();
    } catch (error) {
      failed += 1;
      console.log(`${sentence}: ${error.message.split('\n').slice(0, 3).join(' ')}`);
    }
    await everybodyGoes();
  }
} finally {
  await browser.close();
  await stop();
}
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
