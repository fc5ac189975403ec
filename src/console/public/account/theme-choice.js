import { byId } from '../page/page.js';

/** In `localStorage`; `page/theme.js` reads it before anything is painted. */
const NAME = 'agentline-theme';

/** Light, dark, or as the system says: chosen in this browser, for all its tabs. */
export class ThemeChoice {
  #choices = byId('theme').querySelectorAll('input');

  start() {
    for (const choice of this.#choices)
      choice.addEventListener('change', () => {
        if (choice.value === 'system') localStorage.removeItem(NAME);
        else localStorage.setItem(NAME, choice.value);
        this.#show();
      });
    addEventListener('storage', ({ key }) => {
      if (key === NAME || key === null) this.#show();
    });
    this.#show();
  }

  #show() {
    const kept = localStorage.getItem(NAME);
    const theme = kept === 'light' || kept === 'dark' ? kept : 'system';
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const choice of this.#choices) choice.checked = choice.value === theme;
  }
}
