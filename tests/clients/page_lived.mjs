// What one would complain of who lives in the page: on paper, zoomed, in two tabs at once, going back, in colours of one's own.

import { channelOf, context, count, equal, hears, join, numbered, person, say, sayLines, start, state, stop, tab } from './people.mjs';

const seen = (page, selector) => page.locator(selector).isVisible();

// How far two colours of the page are apart, as WCAG counts it.
const contrast = (page, one, other) => page.evaluate(([one, other]) => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (name) => {
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((each) => (each / 255 <= 0.04045 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}, [one, other]);

export const lived = {
  async 'the browser’s way back leads through the channels, and into none that was left'() {
    const ann = await person('ann', 'a');
    await join(ann, 'b');
    await join(ann, 'c');
    await channelOf(ann, 'a').click();
    const goes = async (way, title) => {
      await ann.evaluate((way) => history[way](), way);
      await ann.waitForFunction((title) => document.title === title, title);
    };
    await goes('back', '#c');
    await goes('back', '#b');
    await goes('forward', '#c');
    await ann.getByLabel('Leave b', { exact: true }).click();
    await ann.evaluate(() => history.back());
    await ann.waitForFunction(() => history.state.channel === 'c');
    await goes('back', '#a');
    equal(await channelOf(ann, 'b').count(), 0, 'channels that were left');
    await ann.evaluate(() => { location.hash = '#d'; });
    await channelOf(ann, 'd').waitFor();
    equal(await ann.title(), '#d', 'the channel of an address');
    await goes('back', '#a');
    equal(new URL(ann.url()).hash, '#a', 'the address');
  },

  async 'on paper stands what was said, all of it, and nothing to click'() {
    const ann = await person('ann', 'paper', { viewport: { width: 800, height: 600 } });
    await sayLines(ann, 'paper', numbered(80));
    await ann.emulateMedia({ media: 'print' });
    const { length, first, last } = await ann.evaluate(() => {
      const all = [...document.querySelectorAll('ol:not([hidden]) .message')].map((item) => item.getBoundingClientRect());
      const top = document.scrollingElement.scrollTop;
      return { length: document.documentElement.getBoundingClientRect().height, first: all[0].top + top, last: all.at(-1).bottom + top };
    });
    if (first < 0 || last > length + 1) throw new Error(`from ${first} to ${last} on ${length}`);
    for (const each of ['nav', '#writing', '#here', '#state']) equal(await seen(ann, each), false, `whether ${each} is printed`);
  },

  async 'zoomed, one joins and changes one’s name as ever; a keyboard on a screen takes no more than it must'() {
    const ann = await person('ann', 'zoomed', { viewport: { width: 640, height: 400 } });
    for (const each of ['#channel', '#me', '#text', '#send']) equal(await seen(ann, each), true, `whether ${each} is there`);
    const bob = await person('bob', 'zoomed', { viewport: { width: 667, height: 190 }, isMobile: true, hasTouch: true });
    await say(bob, 'by thumb');
    await hears(bob, 'by thumb');
    const room = await bob.evaluate(() => document.querySelector('#logs').clientHeight);
    if (room < 80) throw new Error(`${room} pixels are left to read`);
    const eve = await person('eve', 'zoomed', { viewport: { width: 375, height: 340 }, isMobile: true, hasTouch: true });
    await eve.locator('#text').blur();
    equal(await seen(eve, '#channel'), true, 'whether one joins without a keyboard on the screen');
  },

  async 'what one writes in has an edge that is seen, in both schemes'() {
    for (const colorScheme of ['light', 'dark']) {
      const ann = await person('ann', `edges ${colorScheme}`, { colorScheme });
      for (const ground of ['--ground', '--panel']) {
        const ratio = await contrast(ann, '--edge', ground);
        if (ratio < 3) throw new Error(`${colorScheme}: ${ratio} to 1 on ${ground}`);
        for (const ink of ['--ink', '--soft', '--accent', '--bad', '--good', '--wait']) {
          const read = await contrast(ann, ink, ground);
          if (read < 4.5) throw new Error(`${colorScheme}: ${ink} is ${read} to 1 on ${ground}`);
        }
      }
    }
  },

  async 'in colours of one’s own one still tells the channel in view, a button, and one’s own messages'() {
    const [ann, bob] = [await person('ann', 'forced', { forcedColors: 'active' }), await person('bob', 'forced')];
    await say(ann, 'mine');
    await say(bob, 'theirs');
    await hears(ann, 'theirs');
    const edge = (selector) => ann.evaluate((selector) => {
      const { borderStyle, outlineStyle } = getComputedStyle(document.querySelector(selector));
      return borderStyle !== 'none' || outlineStyle !== 'none';
    }, selector);
    for (const each of ['#channels li:has([aria-current])', '#join', '.message.mine']) equal(await edge(each), true, `whether ${each} has an edge`);
    equal(await edge('.message:not(.mine)'), false, 'whether others’ messages have one too');
  },

  async 'a name of nothing but blanks is told from a name'() {
    const ann = await person('ann', 'blank');
    await ann.click('#me');
    await ann.fill('#name', '   ');
    await ann.press('#name', 'Enter');
    await ann.locator('#refused').getByText('That is no name.').waitFor();
    await ann.keyboard.press('Escape');
    await join(ann, '\u00a0 ');
    await ann.locator('#said').getByText('That is no name of a channel.').waitFor();
  },

  async 'names that look the same are the same, and what is not seen of one counts where it makes another sign'() {
    const ann = await person('Ann\u3000\u00a0 B.\u200b', 'two words');
    equal(await ann.textContent('#me bdi'), 'Ann B.', 'the name');
    for (const alike of ['two\u00a0words', '\ufeff two \u2003 words\u3000', 'two\u200b wo\u00adrds\u2060', '\u202etwo\u2800words\u202c', 'two words\ufe0f\u200d']) {
      await join(ann, alike);
      equal(await ann.textContent('#title'), '# two words', `the channel of ${escape(alike)}`);
    }
    for (const meant of ['👩‍👩‍👧', '❤️ 1️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏳️‍🌈', 'می‌خواهم', 'ශ්‍රී', '葛󠄀']) {
      await join(ann, `\u200b${meant}\u200d`);
      equal(await ann.textContent('#title'), `# ${meant}`, `the channel of ${escape(meant)}`);
    }
    equal(await ann.locator('#channels li').count(), 9, 'the channels: the lobby too');
  },

  async 'a name of which nothing is seen is none'() {
    const ann = await person('ann', 'seen');
    for (const unseen of ['\u200b', '\u2800\u3164', '\ufeff\u00ad', '\ufe0f', '\u{e0041}', '\u061c\u200d\u061c', '\u3000\u2060\u200f']) {
      await join(ann, unseen);
      await ann.locator('#said').getByText('That is no name of a channel.').waitFor();
      await ann.click('#me');
      await ann.fill('#name', unseen);
      await ann.press('#name', 'Enter');
      await ann.locator('#refused').getByText('That is no name.').waitFor();
      await ann.keyboard.press('Escape');
    }
    equal(await ann.textContent('#title'), '# seen', 'the channel');
    equal(await ann.textContent('#me bdi'), 'ann', 'the name');
  },

  async 'a server that stops in order says when to come back, and one does'() {
    const [ann, bob] = [await person('ann', 'in order'), await person('bob', 'in order')];
    await say(bob, 'before');
    await hears(ann, 'before');
    await ann.evaluate(() => {
      const { hear } = globalThis;
      globalThis.hear = (frame) => {
        if (frame.type === 'goodbye') globalThis.told = frame.comeBack;
        hear(frame);
      };
    });
    await stop('SIGTERM');
    await state(ann, 'waiting');
    equal(await ann.evaluate(() => globalThis.told > 0), true, 'whether it was told when');
    await say(ann, 'meanwhile');
    await start();
    await hears(bob, 'meanwhile');
    equal(await count(bob, 'meanwhile'), 1, 'copies');
  },

  async 'who is away for an hour with the machine closed is there again at once'() {
    const ann = await tab(await context(), 'asleep');
    await ann.clock.install();
    await ann.fill('#name', 'ann');
    await ann.click('#start');
    await state(ann, 'open');
    const bob = await person('bob', 'asleep');
    await ann.clock.fastForward('01:00:00');
    await say(bob, 'good morning');
    await hears(ann, 'good morning');
    await ann.evaluate(() => lost(1006, ''));
    await ann.clock.fastForward('01:00:00');
    await state(ann, 'open');
    await say(bob, 'and again');
    await hears(ann, 'and again');
  },

  async 'without any memory, or with one that is full, one talks as ever'() {
    const forbidden = () => {
      for (const kind of ['localStorage', 'sessionStorage']) {
        Object.defineProperty(window, kind, { get() { throw new DOMException('denied', 'SecurityError'); } });
      }
    };
    const full = () => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; };
    for (const [at, init] of [forbidden, full].entries()) {
      const own = await context();
      await own.addInitScript(init);
      const ann = await tab(own, `nowhere ${at}`);
      await ann.fill('#name', 'ann');
      await ann.click('#start');
      await join(ann, 'beside');
      await ann.fill('#text', 'half');
      await channelOf(ann, `nowhere ${at}`).click();
      await say(ann, 'said');
      await hears(ann, 'said');
      await channelOf(ann, 'beside').click();
      equal(await ann.inputValue('#text'), 'half', 'what was half written');
      equal(ann.errors.join(), '', 'errors');
    }
  },

  async 'a burst of messages is laid out once, and not once for each'() {
    const ann = await person('ann', 'burst');
    await join(ann, 'beside burst');
    const drawn = await ann.evaluate(async () => {
      const counts = { drawEdges: 0, scrollToEnd: 0 };
      for (const each of Object.keys(counts)) {
        const before = globalThis[each];
        globalThis[each] = () => {
          counts[each] += 1;
          before();
        };
      }
      for (const channel of channels.values()) {
        for (let offset = 1; offset <= 100; offset += 1) channel.hear({ offset, senderName: 'bob', content: `line ${offset}`, timestamp: new Date().toISOString() });
      }
      for (let frames = 0; frames < 3; frames += 1) await new Promise((next) => requestAnimationFrame(next));
      return counts;
    });
    if (drawn.drawEdges > 4 || drawn.scrollToEnd > 4) throw new Error(`${JSON.stringify(drawn)} for 300 messages`);
    await ann.waitForFunction(() => isAtEnd() && current.entries.size === 100);
    await channelOf(ann, 'burst').locator('.unread').getByText('99+').waitFor();
  },

  async 'no message is so written that the page stands still over it'() {
    const ann = await person('ann', 'still');
    const spent = await ann.evaluate(() => {
      const begun = performance.now();
      const hostile = ['['.repeat(30000) + 'www.x' + ')'.repeat(30000), 'https://' + '.'.repeat(60000), 'http://a'.repeat(8000), 'www.' + '(a)'.repeat(20000) + '.)'.repeat(5)];
      for (const each of hostile) linked(each);
      return performance.now() - begun;
    });
    if (spent > 2000) throw new Error(`${spent} ms`);
  },

  async 'several lines are pasted, sent, and copied as they were'() {
    const ann = await person('ann', 'lines', { permissions: ['local-network-access', 'clipboard-read', 'clipboard-write'] });
    const text = '  one\ntwo\n\nthree\t👩‍👩‍👧‍👦';
    await ann.evaluate((text) => navigator.clipboard.writeText(text.replaceAll('\n', '\r\n')), text);
    await ann.focus('#text');
    await ann.keyboard.press('Control+V');
    await ann.keyboard.press('Enter');
    await hears(ann, text);
    const copied = await ann.evaluate(() => {
      getSelection().selectAllChildren(document.querySelector('ol:not([hidden])'));
      return getSelection().toString();
    });
    equal(copied.endsWith(text), true, 'whether it is copied so');
  },
};
