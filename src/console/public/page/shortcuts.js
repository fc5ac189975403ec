import { isCovered, openDialog } from './dialog.js';
import { byId, element } from './page.js';

/** In `localStorage` when the question mark alone opens nothing (WCAG 2.2, 2.1.4: such keys can be turned off). */
const MARK = 'agentline-no-single-key';

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
const CONTROL = isApple ? '⌘' : 'Ctrl';
const ALT = isApple ? '⌥' : 'Alt';

const isControl = (key) => (isApple ? key.metaKey : key.ctrlKey) && !key.altKey;
/** Not AltGr, which writes letters. */
const isAlt = (key) => key.altKey && !key.ctrlKey && !key.metaKey && !key.shiftKey;

const KEYS = [
  {
    does: 'new',
    words: 'New conversation',
    keys: [CONTROL, 'Shift', 'O'],
    fits: (key) => isControl(key) && key.shiftKey && key.code === 'KeyO',
  },
  {
    does: 'search',
    words: 'Search conversations',
    keys: [CONTROL, 'K'],
    fits: (key) => isControl(key) && !key.shiftKey && key.code === 'KeyK',
  },
  {
    does: 'previous',
    words: 'Conversation above',
    keys: [ALT, '↑'],
    fits: (key) => isAlt(key) && key.code === 'ArrowUp',
  },
  {
    does: 'next',
    words: 'Conversation below',
    keys: [ALT, '↓'],
    fits: (key) => isAlt(key) && key.code === 'ArrowDown',
  },
  { does: 'stop', words: 'Stop the answer', keys: ['Esc'], fits: (key) => key.key === 'Escape' },
  {
    does: 'help',
    words: 'These shortcuts',
    keys: [CONTROL, '/'],
    fits: (key) => isControl(key) && key.key === '/',
  },
];
const OF_THE_FIELD = [
  { words: 'Send', keys: ['Enter'] },
  { words: 'New line', keys: ['Shift', 'Enter'] },
];

/** Keys of the whole page, and the dialog that names them. */
export class Shortcuts {
  #dialog = byId('shortcuts-dialog');
  #single = byId('single-key');

  /** @param {Record<'new' | 'search' | 'previous' | 'next' | 'stop', () => void>} actions */
  constructor(actions) {
    this.actions = { ...actions, help: () => openDialog(this.#dialog) };
    byId('shortcut-list').append(...[...KEYS, ...OF_THE_FIELD].flatMap(row));
    byId('open-shortcuts').addEventListener('click', () => openDialog(this.#dialog));
    this.#single.checked = localStorage.getItem(MARK) === null;
    this.#single.addEventListener('change', () => {
      if (this.#single.checked) localStorage.removeItem(MARK);
      else localStorage.setItem(MARK, 'true');
    });
  }

  start() {
    document.addEventListener('keydown', (event) => this.#press(event));
  }

  #press(event) {
    // While an input method composes, keys belong to it; in a dialog Escape closes the dialog.
    if (event.isComposing || event.defaultPrevented || isCovered() || byId('app').hidden) return;
    const found = KEYS.find(({ fits }) => fits(event));
    const does = found?.does ?? (this.#asksForHelp(event) ? 'help' : undefined);
    if (does === undefined) return;
    if (does !== 'stop') event.preventDefault();
    this.actions[does]();
  }

  #asksForHelp({ key, target }) {
    return key === '?' && this.#single.checked && !target.closest('input, textarea, select');
  }
}

function row({ words, keys }) {
  const names = keys.map((key) => element('kbd', {}, key));
  return [element('dt', {}, words), element('dd', {}, ...names)];
}
