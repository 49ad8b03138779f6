// What becomes of messages, requests and places when the line goes, a tab is loaded again, or a name is odd.

import {
  another, channelOf, context, count, equal, hears, join, line, numbered, person, say, sayLines, start, state, stop, tab, texts,
} from './people.mjs';

const waiting = (page) => page.evaluate(() => {
  abandon();
  setState('waiting', '');
});

export const away = {
  async 'a message whose answer is lost with the line is shown once and said once'() {
    const wire = await line();
    const [ann, bob] = [await person('ann', 'answer', { at: wire.at }), await person('bob', 'answer')];
    await say(ann, 'first');
    await hears(ann, 'first');
    wire.deaf = true;
    await say(ann, 'hello');
    await hears(bob, 'hello');
    wire.cut();
    wire.deaf = false;
    await state(ann, 'open');
    await say(ann, 'last');
    await hears(bob, 'last');
    await hears(ann, 'last');
    for (const page of [ann, bob]) equal(await texts(page), 'first,hello,last', 'what is shown');
    equal(await ann.locator('.failed').count(), 0, 'failures');
    equal(await ann.evaluate(() => sessionStorage.getItem('chat.outbox')), null, 'what waits');
  },

  async 'what waits is kept over a reload of its tab, and then goes by itself, once'() {
    const [ann, bob] = [await person('ann', 'kept'), await person('bob', 'kept')];
    await waiting(ann);
    await say(ann, 'later');
    await ann.locator('.pending').waitFor();
    await ann.reload();
    await hears(bob, 'later');
    await hears(ann, 'later');
    await ann.reload();
    await hears(ann, 'later');
    for (const page of [ann, bob]) equal(await count(page, 'later'), 1, 'copies');
  },

  async 'whether a message arrived before the server began anew is asked, and the answer is a person’s'() {
    const wire = await line();
    const [ann, bob] = [await person('ann', 'doubt', { at: wire.at }), await person('bob', 'doubt')];
    wire.deaf = true;
    await say(ann, 'once?');
    await hears(bob, 'once?');
    await stop();
    wire.deaf = false;
    await start();
    await Promise.all([state(ann, 'open'), state(bob, 'open')]);
    await ann.locator('.failed').getByText('It may have been sent already.').waitFor();
    await say(ann, 'on we go');
    await hears(bob, 'on we go');
    equal(await count(bob, 'once?'), 1, 'copies at the other');
    await ann.locator('.failed').getByText('Discard').click();
    equal(await count(ann, 'once?'), 0, 'copies after it was discarded');
    equal(await ann.evaluate(() => document.activeElement.id), 'text', 'where one writes then');
  },

  async 'a message in doubt for longer than its key is known is found among what was missed'() {
    const wire = await line();
    const [ann, bob] = [await person('ann', 'late', { at: wire.at }), await person('bob', 'late')];
    wire.deaf = true;
    await say(ann, 'slowly');
    await hears(bob, 'slowly');
    await ann.evaluate(() => { outbox.all[0].record.sent -= 600000; });
    wire.cut();
    wire.deaf = false;
    await hears(ann, 'slowly');
    await say(ann, 'surely');
    await hears(bob, 'surely');
    for (const page of [ann, bob]) equal(await texts(page), 'slowly,surely', 'what is shown');
    equal(await ann.locator('.failed').count(), 0, 'failures');
  },

  async 'a message that closes the line, since the server takes less, is not said again, and all others go on'() {
    const ann = await person('ann', 'small', { at: await another('--message-bytes', '2000') });
    await ann.evaluate(() => { messageBytes = MESSAGE_BYTES; });
    await say(ann, 'word '.repeat(600));
    await ann.locator('.failed .trouble').getByText('too long for this server').waitFor();
    await say(ann, 'short');
    await hears(ann, 'short');
  },

  async 'more cannot wait than there is room for, and what has none stays in the box'() {
    const ann = await person('ann', 'full');
    await waiting(ann);
    await ann.evaluate(() => {
      for (let n = 1; n <= 101; n += 1) {
        document.getElementById('text').value = `line ${n}`;
        document.getElementById('writing').requestSubmit();
      }
    });
    equal(await ann.locator('.pending').count(), 100, 'messages that wait');
    equal(await ann.inputValue('#text'), 'line 101', 'the box');
    await ann.locator('#said').getByText('Not sent').waitFor();
    await ann.evaluate(() => connect());
    await hears(ann, 'line 100');
    equal(await texts(ann), numbered(100).join(), 'all, in order');
  },

  async 'a message that the server refuses can be sent again, edited or discarded'() {
    const ann = await person('ann', 'refused');
    await ann.evaluate(() => {
      globalThis.refuseNext = request;
      request = (frame, handler) => {
        request = globalThis.refuseNext;
        handler.refused({ code: 103, reason: 'permission denied', message: 'not now' });
      };
      sendText(current, 'one');
    });
    await ann.locator('.failed').getByText('Not sent, permission denied: not now').waitFor();
    await ann.reload();
    await ann.locator('.failed .retry').click();
    await hears(ann, 'one');
    equal(await ann.locator('.message').count(), 1, 'messages');
  },

  async 'a message that is too long can be edited, and goes when it is short enough'() {
    const [ann, bob] = [await person('ann', 'long'), await person('bob', 'long')];
    await say(ann, 'word '.repeat(14000) + 'end');
    await ann.locator('.failed .trouble').getByText(/too long by [\d,.]+ bytes/).waitFor();
    await ann.locator('.failed .edit').click();
    equal(await ann.locator('.message').count(), 0, 'messages');
    equal((await ann.inputValue('#text')).length, 70003, 'characters in the box');
    await say(ann, 'short');
    await hears(bob, 'short');
  },

  async 'what is half written belongs to its channel, over a reload and after leaving it'() {
    const ann = await person('ann', 'a');
    await join(ann, 'b');
    await channelOf(ann, 'a').click();
    await ann.fill('#text', 'only for a');
    await channelOf(ann, 'b').click();
    equal(await ann.inputValue('#text'), '', 'the box in b');
    await channelOf(ann, 'a').click();
    await ann.reload();
    await state(ann, 'open');
    equal(await ann.inputValue('#text'), 'only for a', 'the box after a reload');
    await ann.getByLabel('Leave a', { exact: true }).click();
    equal(await ann.inputValue('#text'), '', 'the box of the neighbour');
    await join(ann, 'a');
    equal(await ann.inputValue('#text'), 'only for a', 'the box back in a');
  },

  async 'what was said of one channel, and that one types there, is not of the next'() {
    const [ann, bob] = [await person('ann', 'one'), await person('bob', 'other')];
    await join(ann, 'other');
    await channelOf(ann, 'one').click();
    await ann.evaluate(() => complain({ reason: 'bad request', message: 'this one' }));
    await ann.locator('#text').pressSequentially('to one');
    await channelOf(ann, 'other').click();
    equal(await ann.textContent('#said'), '', 'what is said in the other');
    await ann.locator('#text').pressSequentially('to the other');
    await bob.locator('#typing').getByText('ann is typing…').waitFor();
  },

  async 'what was taken back before one saw it is not unread'() {
    const [ann, bob] = [await person('ann', 'oops'), await person('bob', 'oops')];
    await join(ann, 'beside oops');
    await say(bob, 'oops');
    await channelOf(ann, 'oops').locator('.unread').waitFor();
    await bob.evaluate(() => transmit({ type: 'publish', channelId: 'oops', deletes: 1 }));
    await channelOf(ann, 'oops').locator('.unread').waitFor({ state: 'hidden' });
  },

  async 'a channel that the server takes away leaves nobody writing in another'() {
    const ann = await person('ann', 'gone');
    await ann.fill('#text', 'for them al');
    await ann.evaluate(() => hear({ type: 'unsubscribed', channelId: 'gone', code: 103, reason: 'permission denied', message: 'no' }));
    await ann.locator('#said').getByText('permission denied: no').waitFor();
    equal(await ann.isDisabled('#text'), true, 'whether the box is closed');
    equal(await ann.textContent('#title'), '', 'the channel in view');
  },

  async 'a place in the log belongs to its channel'() {
    const ann = await person('ann', 'place');
    await sayLines(ann, 'place', numbered(60));
    await join(ann, 'other');
    await channelOf(ann, 'place').click();
    const top = () => ann.evaluate(() => document.querySelector('#logs').scrollTop);
    await ann.evaluate(() => { document.querySelector('#logs').scrollTop = 300; });
    await ann.waitForFunction(() => !current.stuck);
    await channelOf(ann, 'other').click();
    await channelOf(ann, 'place').click();
    equal(await top(), 300, 'where one was');
  },

  async 'what is unread is so after a reload, and what was read is not'() {
    const ann = await person('ann', 'marked');
    const bob = await person('bob', 'marked');
    await say(bob, 'seen');
    await hears(ann, 'seen');
    await join(ann, 'beside');
    await ann.waitForFunction(() => channels.get('marked').toldRead === 1);
    await say(bob, 'news');
    await channelOf(ann, 'marked').locator('.unread').getByText('1', { exact: true }).waitFor();
    await ann.reload();
    await channelOf(ann, 'marked').locator('.unread').getByText('1', { exact: true }).waitFor();
    await channelOf(ann, 'marked').click();
    await hears(ann, 'news');
    await ann.waitForFunction(() => channels.get('marked').toldRead === 2);
    await channelOf(ann, 'beside').click();
    await ann.reload();
    await ann.waitForFunction(() => channels.get('marked')?.entries.size === 2);
    equal(await channelOf(ann, 'marked').locator('.unread').isVisible(), false, 'a badge on what was read');
  },

  async 'older messages that a cut kept from arriving come when the line is back'() {
    const bob = await person('bob', 'cut');
    await sayLines(bob, 'cut', numbered(90));
    const wire = await line();
    const ann = await person('ann', 'cut', { at: wire.at });
    await hears(ann, 'line 90');
    wire.deaf = true;
    await ann.evaluate(() => { document.querySelector('#logs').scrollTop = 0; });
    await ann.waitForFunction(() => [...current.gaps].some(({ asking }) => asking));
    wire.cut();
    wire.deaf = false;
    await hears(ann, 'line 1');
    equal(await texts(ann), numbered(90).join(), 'all, in order');
  },

  async 'a first history that was cut comes when the line is back'() {
    const bob = await person('bob', 'first cut');
    await sayLines(bob, 'first cut', numbered(3));
    const ann = await person('ann', 'elsewhere');
    await ann.evaluate(() => {
      const { ask } = Gap.prototype;
      Gap.prototype.ask = function askAndLose() {
        Gap.prototype.ask = ask;
        this.ask();
        lost(1006, '');
      };
      globalThis.join('first cut');
    });
    await hears(ann, 'line 3');
    equal(await texts(ann), numbered(3).join(), 'what is shown');
  },

  async 'an attempt that is never answered ends, and the next one gets in'() {
    const wire = await line();
    const ann = await tab(await context(), 'mute', wire.at);
    await ann.clock.install();
    await ann.fill('#name', 'ann');
    wire.dead = true;
    await ann.click('#start');
    await state(ann, 'connecting');
    wire.dead = false;
    await ann.clock.runFor(15000);
    await ann.clock.runFor(1000);
    await state(ann, 'open');
  },

  async 'what was said in a channel’s new life before one is back is shown'() {
    const [ann, bob] = [await person('ann', 'anew'), await person('bob', 'anew')];
    await say(bob, 'before');
    await hears(ann, 'before');
    await ann.evaluate(() => {
      globalThis.comeBackLater = connect;
      connect = () => {};
    });
    await stop();
    await start();
    await state(bob, 'open');
    await say(bob, 'while you were away');
    await hears(bob, 'while you were away');
    await ann.evaluate(() => {
      connect = globalThis.comeBackLater;
      connect();
    });
    await hears(ann, 'while you were away');
    await ann.locator('ol:not([hidden]) .notice').getByText('Reconnected').waitFor();
    equal(await texts(ann), 'before,while you were away', 'what is shown');
  },

  async 'a gap that the server can fill is filled, and what it cannot is told'() {
    const [ann, bob] = [await person('ann', 'gap'), await person('bob', 'gap')];
    await say(bob, 'before');
    await hears(ann, 'before');
    await ann.evaluate(() => channels.get('gap').lost({ from: 2, to: 4 }));
    await ann.locator('.notice').getByText('You missed 3 messages').waitFor();
    await waiting(bob);
    await sayLines(ann, 'gap', numbered(112));
    await bob.evaluate(() => connect());
    await hears(bob, 'line 112');
    await bob.locator('.notice').getByText('You missed 12 messages').waitFor();
    equal(await texts(bob), ['before', ...numbered(112).slice(12)].join(), 'what is shown');
  },

  async 'within 125 channels one comes in, stays in, and sees the history of each'() {
    const bob = await person('bob', 'room-0');
    const rooms = Array.from({ length: 125 }, (_, n) => `room-${n}`);
    await bob.evaluate(async (rooms) => {
      for (const channelId of rooms) {
        for (const frame of [{ type: 'subscribe' }, { type: 'publish', content: `word of ${channelId}` }, { type: 'unsubscribe' }]) {
          await new Promise((answered) => request({ ...frame, channelId }, { answered, refused: answered }));
          await new Promise((next) => setTimeout(next, 5));
        }
      }
    }, rooms);
    const own = await context();
    await own.addInitScript((rooms) => {
      localStorage.setItem('chat.name', '"ann"');
      localStorage.setItem('chat.channels', JSON.stringify(rooms));
      addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        if (document.body.dataset.state === 'waiting') globalThis.wasCut = true;
      }).observe(document.body, { attributes: true }));
    }, rooms);
    const ann = await tab(own, 'room-7');
    await ann.waitForFunction(() => channels.size === 125 && [...channels.values()].every(({ entries }) => entries.size === 1));
    equal(await ann.evaluate(() => globalThis.wasCut), undefined, 'whether it was cut');
    await ann.locator('#after').getByText(/\d+ unread/).waitFor();
  },

  async 'one bad name, or memory that holds something else, ends nothing'() {
    const own = await context();
    await own.addInitScript(() => {
      if (localStorage.getItem('chat.name')) return;
      localStorage.setItem('chat.name', '"dan \\ud83d"');
      localStorage.setItem('chat.channels', JSON.stringify(['a', 'party \ud83c', 7, null, '', ' b ', 'x'.repeat(300), 'cafe\u0301']));
      sessionStorage.setItem('chat.outbox', '[null, 3, {"channel":"a"}, {"channel":"a","text":"kept","key":"k"}]');
      sessionStorage.setItem('chat.draft.b', '"half"');
    });
    const dan = await tab(own, '');
    await state(dan, 'open');
    const has = await dan.locator('[data-channel]').evaluateAll((all) => all.map((each) => each.dataset.channel).join());
    equal(has, 'a,party,b,café', 'the channels');
    await hears(dan, 'kept');
    equal(await dan.textContent('#me bdi'), 'dan', 'the name');
    await join(dan, '  café ');
    await join(dan, 'cafe\u0301');
    equal(await dan.locator('[data-channel]').count(), 4, 'channels');
    await dan.evaluate(() => join('party \ud83c'));
    await dan.fill('#text', 'x');
    await dan.evaluate(() => {
      document.getElementById('text').value = 'half \ud83c';
      document.getElementById('writing').requestSubmit();
    });
    await hears(dan, 'half \ufffd');
    equal(dan.errors.join(), '', 'errors');
  },

  async 'memory that holds no list and no name is as good as none'() {
    const own = await context();
    await own.addInitScript(() => {
      localStorage.setItem('chat.name', '{"a":1}');
      localStorage.setItem('chat.channels', '{"a":1}');
      sessionStorage.setItem('chat.outbox', '{}');
      sessionStorage.setItem('chat.token', '{"a":1}');
    });
    const ann = await tab(own, '');
    await ann.fill('#name', 'ann');
    await ann.click('#start');
    await state(ann, 'open');
    equal(await ann.textContent('#title'), '# lobby', 'the channel');
    equal(ann.errors.join(), '', 'errors');
  },
};
