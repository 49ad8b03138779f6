'use strict';

// The key stands here alone: it is gone when the page is.
let key = '';

class Refused extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

// Asks the server. Throws `Refused` with what it said, or with what kept it from answering.
async function ask(path, { query = {}, body } = {}) {
  const address = new URL(`/admin/api/${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
  const headers = { 'x-admin-key': key };
  if (body) headers['content-type'] = 'application/json';
  const options = { headers, method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), cache: 'no-store' };
  const answer = await fetch(address, options).catch(() => { throw new Refused(0, 'The server does not answer.'); });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const wait = answer.headers.get('retry-after');
  throw new Refused(answer.status, `${told.error ?? `status ${answer.status}`}${wait ? `; again in ${wait} s` : ''}`);
}

// A header takes no characters beyond these, and a key has none.
const isSayable = (text) => /^[\x20-\x7e]{1,255}$/.test(text);
