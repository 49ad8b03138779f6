// What somebody sees and reaches who lives in the page: on a phone, with a keyboard, behind a proxy, offline, by ear.

import http from 'node:http';
import { connect } from 'node:net';
import { base, channelOf, closers, equal, hears, join, numbered, person, port, say, sayLines, state } from './people.mjs';

const PHONE = { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true };

const newestIsSeen = (page) => page.waitForFunction(() => {
  const view = document.querySelector('#logs').getBoundingClientRect();
  const last = [...document.querySelectorAll('ol:not([hidden]) .message')].at(-1).getBoundingClientRect();
  return last.bottom <= view.bottom + 1 && last.bottom > view.top;
});

export const life = {
  async 'a view that was at its end stays there, whatever changes its size'() {
    const ann = await person('ann', 'general', PHONE);
    await sayLines(ann, 'general', numbered(40));
    await newestIsSeen(ann);
    await ann.setViewportSize({ width: 375, height: 340 });
    await newestIsSeen(ann);
    await ann.setViewportSize({ width: 667, height: 375 });
    await newestIsSeen(ann);
    await ann.fill('#text', 'one\ntwo\nthree\nfour\nfive');
    await newestIsSeen(ann);
    await ann.evaluate(() => transmit({ type: 'publish', channelId: 'general', content: 'longer\n'.repeat(20), edits: 40 }));
    await ann.locator('.changed').waitFor();
    await newestIsSeen(ann);
  },

  async 'who has scrolled up stays there, and hears of what is new'() {
    const [ann, bob] = [await person('ann', 'up'), await person('bob', 'up')];
    await sayLines(bob, 'up', numbered(60));
    await hears(ann, 'line 60');
    await ann.evaluate(() => { document.querySelector('#logs').scrollTop = 400; });
    await ann.waitForFunction(() => !current.stuck);
    await say(bob, 'news');
    await ann.locator('#newer').waitFor();
    equal(await ann.title(), '(1) #up', 'the title');
    equal(await ann.evaluate(() => document.querySelector('#logs').scrollTop), 400, 'where one reads');
    await ann.click('#newer');
    await newestIsSeen(ann);
    equal(await ann.title(), '#up', 'the title at the end');
  },

  async 'on a phone one reads where one is, who is here, and that something is new elsewhere'() {
    const ann = await person('ann', 'general', PHONE);
    const bob = await person('bob', 'general');
    for (const name of ['second channel', 'third channel', 'fourth channel']) await join(ann, name);
    await channelOf(ann, 'lobby').click();
    await join(bob, 'fourth channel');
    await say(bob, 'news');
    await ann.locator('#after').getByText('1 unread').waitFor();
    await ann.locator('#after').tap();
    await ann.waitForFunction(() => document.querySelector('#after').hidden);
    await channelOf(ann, 'fourth channel').tap();
    const title = await ann.evaluate(() => { const { clientWidth, scrollWidth } = document.querySelector('#title'); return clientWidth >= scrollWidth; });
    equal(title, true, 'whether the title has room');
    await ann.locator('#here').tap();
    await ann.locator('#people').getByText('bob').waitFor();
    await ann.locator('#close-people').tap();
    await ann.locator('#people').waitFor({ state: 'hidden' });
    equal(await ann.evaluate(() => document.scrollingElement.scrollWidth), 375, 'the width');
  },

  async 'behind a proxy that puts it under a path the page finds its socket'() {
    const front = http.createServer((request, response) => {
      if (!request.url.startsWith('/chat')) return response.writeHead(404).end();
      return http.get(`${base}${request.url.slice(6)}`, (inner) => {
        response.writeHead(inner.statusCode, inner.headers);
        inner.pipe(response);
      });
    });
    front.on('upgrade', (request, socket) => {
      if (request.url !== '/chat/ws') return socket.destroy();
      const inner = connect(port, '127.0.0.1', () => {
        const headers = Object.entries(request.headers).map(([key, value]) => `${key}: ${value}\r\n`).join('');
        inner.write(`GET /ws HTTP/1.1\r\n${headers}\r\n`);
        inner.pipe(socket).pipe(inner);
      });
      for (const each of [inner, socket]) each.on('error', () => {});
      return undefined;
    });
    closers.push(() => {
      front.closeAllConnections();
      front.close();
    });
    await new Promise((ready) => front.listen(0, '127.0.0.1', ready));
    const ann = await person('ann', 'path', { at: `http://127.0.0.1:${front.address().port}/chat/` });
    await say(ann, 'through');
    await hears(ann, 'through');
    await person('bob', 'path', { at: `http://127.0.0.1:${front.address().port}/chat` });
  },

  async 'a browser that is offline says so at once, and comes back at once'() {
    const ann = await person('ann', 'net');
    await ann.context().setOffline(true);
    await ann.locator('#state').getByText('You are offline').waitFor();
    equal(await ann.evaluate(() => getComputedStyle(document.querySelector('#here')).opacity), '1', 'how much is left to read of who was here');
    await say(ann, 'when I am back');
    await ann.locator('.pending').waitFor();
    await ann.context().setOffline(false);
    await state(ann, 'open');
    await hears(ann, 'when I am back');
  },

  async 'people whose names are alike have colours that are not'() {
    const ann = await person('ann', 'colours');
    const hues = await ann.evaluate(() => Array.from({ length: 8 }, (_, n) => hue(`user-${29 + n}`)).sort((a, b) => a - b));
    const apart = hues.map((each, at) => (hues[(at + 1) % hues.length] - each + 360) % 360);
    if (Math.min(...apart) < 15) throw new Error(`they are ${apart.map(Math.round)} degrees apart`);
  },

  async 'addresses are links, and nothing else is'() {
    const [ann, bob] = [await person('ann', 'links'), await person('bob', 'links')];
    const said = 'see https://example.com/a_(b)?q=1#x, (www.example.org). javascript:alert(1) http:// https://user\u202eevil';
    await say(ann, said);
    await hears(bob, said);
    const links = await bob.locator('.message a').evaluateAll((all) => all.map(({ href, rel, target }) => `${href} ${rel} ${target}`).join());
    equal(links, ['https://example.com/a_(b)?q=1#x', 'https://www.example.org/', 'https://user/']
      .map((each) => `${each} noopener noreferrer _blank`).join(), 'the links');
  },

  async 'Escape leaves what was opened: the name, the people, the field for a channel'() {
    const ann = await person('ann', 'escape');
    await ann.click('#me');
    await ann.fill('#name', 'somebody else');
    await ann.keyboard.press('Escape');
    equal(await ann.isVisible('#app'), true, 'whether the chat is there again');
    equal(await ann.textContent('#me bdi'), 'ann', 'the name');
    await ann.click('#here');
    await ann.locator('#people').waitFor();
    await ann.keyboard.press('Escape');
    await ann.locator('#people').waitFor({ state: 'hidden' });
    await ann.fill('#channel', 'not th');
    await ann.keyboard.press('Escape');
    equal(await ann.inputValue('#channel'), '', 'the field for a channel');
    equal(await ann.evaluate(() => document.activeElement.id), 'text', 'where one writes then');
  },

  async 'the Enter of a composition sends nothing, however a browser tells it'() {
    const ann = await person('ann', 'compose');
    await ann.fill('#text', 'こんにち');
    const enter = (init) => ann.locator('#text').dispatchEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init });
    await enter({ isComposing: true, keyCode: 229 });
    await enter({ isComposing: false, keyCode: 229 });
    const stopped = await ann.evaluate(() => !document.querySelector('#channel').dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })));
    equal(stopped, true, 'whether it sends no other form');
    equal(await ann.locator('.message').count(), 0, 'messages');
    await say(ann, 'こんにちは');
    await hears(ann, 'こんにちは');
  },

  async 'who listens to the page hears who wrote each message, and each button by its name'() {
    const ann = await person('ann', 'ear');
    await say(ann, 'one');
    await say(ann, 'two');
    await hears(ann, 'two');
    const tree = await (await ann.context().newCDPSession(ann)).send('Accessibility.getFullAXTree');
    const told = tree.nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value ?? ''}`);
    equal(told.filter((each) => each === 'StaticText ann').length >= 3, true, 'names of who wrote, and one’s own');
    const wanted = ['button ear', 'button Leave ear', 'button You are ann: change your name', 'textbox Message', 'log ear', 'navigation Channels', 'region Messages'];
    for (const each of wanted) {
      if (!told.some((one) => one.toLowerCase().trim() === each.toLowerCase().trim())) throw new Error(`it hears no “${each}”: ${told.join('; ')}`);
    }
    equal(told.filter((each) => /^(button|textbox|link) ?$/.test(each)).length, 0, 'controls without a name');
    equal(told.filter((each) => each.startsWith('article')).length, 2, 'messages, each by itself');
  },

  async 'with many channels the arrows walk the list, and Escape goes back to writing'() {
    const ann = await person('ann', 'a');
    for (const name of ['b', 'c']) await join(ann, name);
    await channelOf(ann, 'a').focus();
    await ann.keyboard.press('ArrowDown');
    await ann.keyboard.press('End');
    await ann.keyboard.press('ArrowUp');
    await ann.keyboard.press('Enter');
    equal(await ann.textContent('#title'), '# b', 'the channel in view');
    await ann.keyboard.press('Escape');
    await ann.keyboard.type('by keys');
    await ann.keyboard.press('Enter');
    await hears(ann, 'by keys');
  },

  async 'what is written from right to left turns nothing around it'() {
    const name = 'نور';
    const ann = await person(name, 'قناة');
    await say(ann, 'مرحبا');
    await hears(ann, 'مرحبا');
    const { width } = await ann.evaluate(() => {
      const title = document.querySelector('#title').getBoundingClientRect();
      const inner = document.querySelector('#title bdi').getBoundingClientRect();
      return { width: inner.left - title.left };
    });
    equal(width > 5, true, 'whether the # stands before the name');
    equal(await ann.evaluate(() => document.querySelector('#text').dir), 'auto', 'the direction of the box');
  },
};
