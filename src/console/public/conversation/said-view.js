import { element } from '../page/page.js';
import { reveal } from '../page/format.js';

/**
 * What the user said.
 * @param {string} text
 * @param {(() => Promise<void>) | undefined} fork begins another conversation from here; missing: it cannot
 */
export function saidView(text, fork) {
  const said = element('article', { class: 'said', 'aria-label': 'You', dir: 'auto' }, reveal(text));
  if (!fork) return said;
  const onclick = async () => {
    button.disabled = true;
    await fork();
    button.disabled = false;
  };
  const title =
    'A new conversation with all that was said before this message, which you can change and send';
  const button = element(
    'button',
    { type: 'button', class: 'plain fork', title, onclick: () => void onclick() },
    'Fork from here',
  );
  return element('div', { class: 'said-turn' }, said, button);
}
