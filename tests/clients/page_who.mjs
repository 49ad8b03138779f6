// Who one is, and who wrote: by a name alone, and by a token.

import { createHmac } from 'node:crypto';
import { another, context, count, equal, hears, join, say, state, tab, visit } from './people.mjs';

const SECRET = 'a secret of some length';

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;
const withTokens = () => another('--jwt-secret', SECRET, '--jwt-leeway-seconds', '0');

async function comes(at, claims, channel = 'room') {
  const page = await visit(await context(), `${at}#token=${token(claims)}&channel=${channel}`);
  await state(page, 'open');
  return page;
}

export const who = {
  async 'a link that brings a token lets in, and its address keeps only the channel'() {
    const at = await withTokens();
    const ann = await comes(at, { sub: 'u-1', name: 'Ann' }, 'caf%C3%A9');
    equal(await ann.textContent('#me bdi'), 'Ann', 'the name');
    equal(await ann.textContent('#title'), '# café', 'the channel');
    equal(new URL(ann.url()).hash, '#caf%C3%A9', 'the address');
    await ann.reload();
    await state(ann, 'open');
    equal(await ann.textContent('#me bdi'), 'Ann', 'the name after a reload');
    equal(await ann.evaluate(() => JSON.stringify(localStorage).includes('eyJ')), false, 'whether other tabs get it');
  },

  async 'who comes without a token is asked for one in plain words, and one that has expired is asked for again'() {
    const at = await withTokens();
    const ann = await tab(await context(), 'room', at);
    await ann.fill('#name', 'Ann');
    await ann.click('#start');
    await ann.locator('#by-token').getByText('only people who have a token').waitFor();
    await ann.locator('#refused').getByText('a token is needed').waitFor();
    equal(await ann.isVisible('#name'), false, 'whether a name is asked for too');
    await ann.fill('#token', 'nonsense');
    await ann.press('#token', 'Enter');
    await ann.locator('#refused').getByText('this is no token').waitFor();
    await ann.fill('#token', token({ sub: 'u-1', name: 'Ann B.', exp: inSeconds(4) }));
    await ann.press('#token', 'Enter');
    await state(ann, 'open');
    equal(await ann.textContent('#me bdi'), 'Ann B.', 'the name');
    await ann.locator('#refused').getByText('expired').waitFor();
    await ann.evaluate((to) => { location.hash = `#token=${to}`; }, token({ sub: 'u-1', name: 'Ann C.' }));
    await ann.locator('#me').getByText('Ann C.').waitFor();
    await say(ann, 'back');
    await hears(ann, 'back');
    equal(new URL(ann.url()).hash, '#room', 'the address');
  },

  async 'two people of one name are two, and one’s own messages under another name are one’s own'() {
    const at = await withTokens();
    const [one, two] = [await comes(at, { sub: 'u-1', name: 'Ann' }), await comes(at, { sub: 'u-2', name: 'Ann' })];
    await join(two, 'elsewhere');
    await say(two, 'here I am');
    await join(two, 'room');
    await say(one, 'I owe you 5');
    await hears(two, 'I owe you 5');
    await say(two, 'I owe nothing');
    await hears(one, 'I owe nothing');
    equal(await one.locator('ol:not([hidden]) .message.mine').count(), 1, 'messages of one’s own');
    equal(await one.locator('ol:not([hidden]) .message.grouped').count(), 0, 'messages that stand under another’s name');
    await join(one, 'beside');
    await say(two, 'are you there?');
    await one.locator('[data-channel=room] .unread').getByText('1', { exact: true }).waitFor();
    await two.locator('#text').pressSequentially('hm');
    await one.locator('[data-channel=room]').click();
    await one.locator('#typing').getByText('Ann is typing…').waitFor();
    const again = await comes(at, { sub: 'u-1', name: 'Ann B.' });
    await hears(again, 'I owe you 5');
    equal(await again.locator('ol:not([hidden]) .message.mine').allTextContents().then((all) => all.length), 1, 'one’s own after a change of name');
    equal(await count(again, 'are you there?'), 1, 'messages of others');
  },

  async 'the page learns from the server how long a message may be'() {
    for (const bytes of [2000, 200000]) {
      const ann = await tab(await context(), 'bound', await another('--message-bytes', `${bytes}`));
      await ann.fill('#name', 'ann');
      await ann.click('#start');
      await state(ann, 'open');
      const fits = 'w'.repeat(bytes - 400);
      await say(ann, fits);
      await hears(ann, fits);
      await say(ann, 'w'.repeat(bytes));
      await ann.locator('.failed .trouble').getByText('too long by').waitFor();
      equal(await ann.evaluate(() => document.body.dataset.state), 'open', 'the connection');
    }
  },
};
