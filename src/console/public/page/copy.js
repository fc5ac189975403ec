import { element } from './page.js';

/** Milliseconds for which a button says what came of it. */
const TOLD = 2_000;

/**
 * A button that copies and says so in its place.
 * @param {string} words
 * @param {() => Promise<string>} copy resolves to what the button is to say
 */
export function copyButton(words, copy, attributes = {}) {
  const said = element('span', { 'aria-live': 'polite' }, words);
  const act = async () => {
    said.textContent = await copy();
    setTimeout(() => (said.textContent = words), TOLD);
  };
  const onclick = () => void act();
  return element('button', { type: 'button', class: 'plain', onclick, ...attributes }, said);
}

/** @returns {() => Promise<string>} for `copyButton`: copies what `read` returns then */
export function copying(read) {
  return async () => ((await copyText(read())) ? 'Copied' : 'Not copied');
}

/** @returns {Promise<boolean>} whether the text is in the clipboard */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard on plain http, or may refuse it.
    return copySelected(text);
  }
}

/** The way that needs no secure origin (https://w3c.github.io/editing/docs/execCommand/). */
function copySelected(text) {
  const focused = document.activeElement;
  const field = element('textarea', { class: 'hidden-text', 'aria-hidden': 'true', tabindex: '-1' });
  field.value = text;
  (focused?.closest('dialog') ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  focused?.focus();
  return isCopied;
}
