// What people do with the page: talk, come and go, read back.

import { channelOf, context, count, equal, hears, person, say, start, state, stop, tab } from './people.mjs';

export const talk = {
  async 'two pages in a channel talk, and one in another hears nothing'() {
    const [ann, bob, eve] = [await person('ann', 'garden'), await person('bob', 'garden'), await person('eve', 'kitchen')];
    await say(ann, 'hello bob');
    await hears(bob, 'hello bob');
    await say(bob, 'hello ann');
    await hears(ann, 'hello ann');
    await say(eve, 'anybody here?');
    await hears(eve, 'anybody here?');
    equal(await eve.locator('.message').count(), 1, 'messages in the other channel');
    equal(await bob.locator('.message .sender').first().textContent(), 'ann', 'the sender');
    equal(await bob.locator('.message .sender').first().isVisible(), true, 'whether one sees who wrote');
    equal(await ann.locator('.message').count(), 2, 'messages, one’s own among them, each once');
  },

  async 'one page is closed hard, and the channel goes on'() {
    const [ann, bob, eve] = [await person('ann', 'hard'), await person('bob', 'hard'), await person('eve', 'hard')];
    await eve.context().close();
    await say(ann, 'still there?');
    await hears(bob, 'still there?');
    await say(bob, 'yes');
    await hears(ann, 'yes');
  },

  async 'a page whose server is restarted comes back by itself, and says that something may be missing'() {
    const [ann, bob] = [await person('ann', 'again'), await person('bob', 'again')];
    await say(ann, 'before');
    await hears(bob, 'before');
    await stop();
    await state(ann, 'waiting');
    await start();
    await Promise.all([state(ann, 'open'), state(bob, 'open')]);
    await bob.locator('ol:not([hidden]) .notice').waitFor();
    await say(ann, 'after');
    await hears(bob, 'after');
    await hears(bob, 'before');
    equal(await count(ann, 'after'), 1, 'copies of what was said after');
  },

  async 'what is said without a server waits where all can see, over a reload, and goes by itself, once and in order'() {
    const [ann, bob] = [await person('ann', 'offline'), await person('bob', 'offline')];
    await stop();
    await state(ann, 'waiting');
    await say(ann, 'into the void');
    await say(ann, 'and more');
    equal(await ann.locator('.message.pending').count(), 2, 'messages that wait');
    equal(await ann.locator('.message.failed').count(), 0, 'failures');
    await start();
    await Promise.all([state(ann, 'open'), state(bob, 'open')]);
    await hears(bob, 'and more');
    await hears(ann, 'and more');
    equal((await bob.locator('.message .content').allTextContents()).join(), 'into the void,and more', 'what the other hears');
    equal(await ann.locator('.message').count(), 2, 'messages');
  },

  async 'nothing that a person writes is run as HTML'() {
    const attack = '<img src=x onerror="window.hit=1;alert(1)"><script>window.hit=1</script>';
    const [ann, bob] = [await person(attack, attack), await person('bob', attack)];
    await say(ann, attack);
    await hears(bob, attack);
    equal(await bob.locator('.message .sender').first().textContent(), attack, 'the sender');
    await channelOf(bob, attack).waitFor();
    for (const page of [ann, bob]) {
      equal(page.dialogs, 0, 'dialogs');
      equal(await page.evaluate(() => window.hit), undefined, 'what a script would have set');
      equal(await page.locator('img, ol script, nav script').count(), 0, 'elements that a person made');
    }
  },

  async 'everybody sees who is here, who comes, who goes and who types'() {
    const ann = await person('ann', 'people');
    const here = (text) => ann.locator('#here').getByText(text).waitFor();
    await here('1 here: ann');
    const [bob, eve] = [await person('bob', 'people'), await person('eve', 'people')];
    await here('3 here: ann, bob, eve');
    await bob.locator('#text').pressSequentially('I am');
    await ann.locator('#typing').getByText('bob is typing…').waitFor();
    equal(await bob.locator('#typing').textContent(), '', 'what one sees of oneself');
    await say(bob, 'I am here');
    await hears(ann, 'I am here');
    await ann.waitForFunction(() => document.querySelector('#typing').textContent === '');
    await eve.context().close();
    await here('2 here: ann, bob');
  },

  async 'who comes late sees what was said, and more of it on scrolling up'() {
    const ann = await person('ann', 'long ago');
    await ann.evaluate(() => { for (let n = 1; n <= 90; n += 1) transmit({ type: 'publish', channelId: 'long ago', content: `line ${n}` }); });
    await hears(ann, 'line 90');
    const bob = await person('bob', 'long ago');
    await hears(bob, 'line 90');
    equal(await count(bob, 'line 41'), 1, 'the first of the newest fifty');
    equal(await count(bob, 'line 40'), 0, 'what is older');
    await bob.evaluate(() => { document.querySelector('#logs').scrollTop = 0; });
    await hears(bob, 'line 1');
    const texts = await bob.locator('.message .content').allTextContents();
    equal(texts.join(), Array.from({ length: 90 }, (_, n) => `line ${n + 1}`).join(), 'all, in order');
  },

  async 'who was away for a moment gets what was said meanwhile, once'() {
    const [ann, bob] = [await person('ann', 'moment'), await person('bob', 'moment')];
    await say(ann, 'one');
    await hears(bob, 'one');
    await bob.evaluate(() => { retryTimer = 1; abandon(); setState('waiting', ''); });
    await say(ann, 'two');
    await say(ann, 'three');
    await hears(ann, 'three');
    await bob.evaluate(() => connect());
    await hears(bob, 'three');
    equal((await bob.locator('.message .content').allTextContents()).join(), 'one,two,three', 'what bob has');
    equal(await bob.locator('.notice').count(), 0, 'marks of a gap');
  },

  async 'who was away for too long is told how much is missing'() {
    const [ann, bob] = [await person('ann', 'away'), await person('bob', 'away')];
    await say(ann, 'one');
    await hears(bob, 'one');
    await bob.evaluate(() => { abandon(); setState('waiting', ''); });
    await ann.evaluate(() => { for (let n = 1; n <= 112; n += 1) transmit({ type: 'publish', channelId: 'away', content: `line ${n}` }); });
    await hears(ann, 'line 112');
    await bob.evaluate(() => connect());
    await bob.locator('.notice').getByText('You missed 12 messages').waitFor();
    await say(ann, 'welcome back');
    await hears(bob, 'welcome back');
  },

  async 'a message that is edited or taken back changes where it stands'() {
    const [ann, bob] = [await person('ann', 'changes'), await person('bob', 'changes')];
    await say(ann, 'helo');
    await say(ann, 'oops');
    await hears(bob, 'oops');
    await ann.evaluate(() => {
      transmit({ type: 'publish', channelId: 'changes', content: 'hello', edits: 1 });
      transmit({ type: 'publish', channelId: 'changes', deletes: 2 });
    });
    await hears(bob, 'hello');
    await hears(bob, 'taken back');
    equal(await bob.locator('.message').count(), 2, 'messages');
    const eve = await person('eve', 'changes');
    await hears(eve, 'taken back');
    equal((await eve.locator('.message .content').allTextContents()).join(), 'hello,taken back', 'what a newcomer sees');
  },

  async 'unread messages are counted on a channel in the background until it is looked at'() {
    const [ann, bob] = [await person('ann', 'front'), await person('bob', 'back')];
    await ann.fill('#channel', 'back');
    await ann.click('#join');
    await channelOf(ann, 'front').click();
    await say(bob, 'one');
    await say(bob, 'two');
    const badge = channelOf(ann, 'back').locator('.unread');
    await badge.getByText('2', { exact: true }).waitFor();
    await channelOf(ann, 'back').click();
    await hears(ann, 'two');
    equal(await badge.isVisible(), false, 'a badge on the channel in view');
  },

  async 'a keyboard is enough'() {
    const bob = await person('bob', 'keys');
    const ann = await tab(await context(), '');
    const { keyboard } = ann;
    const tabTo = async (selector, key = 'Tab') => {
      for (let tabs = 0; !(await ann.evaluate((s) => document.activeElement.matches(s), selector)); tabs += 1) {
        if (tabs > 30) throw new Error(`no tab leads to ${selector}`);
        await keyboard.press(key);
      }
    };
    await keyboard.type('ann');
    await keyboard.press('Enter');
    await state(ann, 'open');
    await tabTo('#channel', 'Shift+Tab');
    await keyboard.type('keys');
    await keyboard.press('Enter');
    await tabTo('#text');
    await keyboard.type('no mouse');
    await keyboard.press('Shift+Enter');
    await keyboard.type('at all');
    await keyboard.press('Enter');
    await hears(bob, 'no mouse\nat all');
    await tabTo('[data-channel=lobby]', 'Shift+Tab');
    await keyboard.press('Enter');
    equal(await ann.textContent('#title'), '# lobby', 'the channel in view');
    await tabTo('[aria-label="Leave keys"]');
    await keyboard.press('Enter');
    await channelOf(ann, 'keys').waitFor({ state: 'detached' });
    await say(bob, 'gone?');
    await hears(bob, 'gone?');
    equal(await count(ann, 'gone?'), 0, 'messages of a channel that was left');
  },

  async 'it fits on a phone'() {
    const ann = await person('ann', 'a-channel-with-quite-a-long-name', { viewport: { width: 360, height: 640 } });
    for (const name of ['second', 'third', 'fourth']) {
      await ann.fill('#channel', name);
      await ann.press('#channel', 'Enter');
    }
    await say(ann, 'w'.repeat(300));
    await hears(ann, 'w'.repeat(300));
    const width = await ann.evaluate(() => document.scrollingElement.scrollWidth);
    if (width > 360) throw new Error(`it is ${width} wide`);
    const box = await ann.locator('#send').boundingBox();
    if (box.y + box.height > 640 || box.x + box.width > 360) throw new Error('one cannot reach the button to send');
  },

  async 'it is dark where people want it dark'() {
    const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground(await person('ann', 'light', { colorScheme: 'light' }));
    const dark = await ground(await person('ann', 'dark', { colorScheme: 'dark' }));
    if (light === dark) throw new Error(`both are ${dark}`);
  },

  async 'name and channels are there again after a reload, and an address opens its channel'() {
    const ann = await person('ann', 'first');
    await ann.fill('#channel', 'second / other');
    await ann.press('#channel', 'Enter');
    await ann.reload();
    await state(ann, 'open');
    equal(await ann.textContent('#me bdi'), 'ann', 'the name');
    await channelOf(ann, 'first').waitFor();
    equal(await ann.textContent('#title'), '# second / other', 'the channel of the address');
    await ann.evaluate(() => { location.hash = '#third'; });
    await channelOf(ann, 'third').waitFor();
  },

  async 'a name that the server refuses is asked for again, with why'() {
    const ann = await person('ann', 'names');
    await ann.click('#me');
    await ann.fill('#name', 'é'.repeat(200));
    await ann.click('#start');
    await ann.locator('#who #refused').getByText('255 bytes').waitFor();
    await ann.fill('#name', 'anna');
    await ann.click('#start');
    await state(ann, 'open');
    await say(ann, 'a new name');
    await hears(ann, 'a new name');
    equal(await ann.locator('.message .sender').first().textContent(), 'anna', 'the sender');
  },
};
