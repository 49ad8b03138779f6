'use strict';
const $ = (id) => document.getElementById(id);
const NAME_BYTES = 255;

// What is remembered is a comfort: a browser may forbid it, forget it, or hold something else there.
class Memory {
  constructor(store) { this.store = store; }

  read(key) {
    try { return JSON.parse(this.store().getItem('chat.' + key)); } catch { return null; }
  }

  write(key, value) {
    try {
      if (value === null) this.store().removeItem('chat.' + key);
      else this.store().setItem('chat.' + key, JSON.stringify(value));
    } catch { /* not remembered */ }
  }
}

const memory = new Memory(() => localStorage); // of all tabs
const tabMemory = new Memory(() => sessionStorage); // of this tab, over a reload

// A name in the one spelling that all who mean it use; empty if it is none. A field that is full, or a paste, may end in half an emoji.
function tidy(text) {
  if (typeof text !== 'string') return '';
  return text.normalize().replace(/\p{Cs}/gu, '').replace(/\p{Cc}+/gu, ' ').trim();
}

function whole(text) {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}

function bytes(text) {
  return new TextEncoder().encode(text).length;
}

// The channels that one is in. Two tabs that write at the same moment overwrite each other: what is not in the list is put there again by the tab that
// joined it, and what was left is said beside it.
const remembered = {
  all() {
    const list = memory.read('channels');
    if (!Array.isArray(list)) return ['lobby'];
    return [...new Set(list.map(tidy))].filter((each) => each && bytes(each) <= NAME_BYTES);
  },
  add(...names) {
    const all = this.all();
    if (names.some((each) => !all.includes(each)) || !memory.read('channels')) memory.write('channels', [...new Set([...all, ...names])]);
  },
  remove(name) {
    memory.write('left', { name, key: newKey() });
    memory.write('channels', this.all().filter((each) => each !== name));
  },
};
