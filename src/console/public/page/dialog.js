import { copyText } from './copy.js';

/**
 * Opens a dialog over the page. The menu that led to it closes first, so that the focus goes back to the menu's
 * button when the dialog is closed.
 */
export function openDialog(dialog) {
  closeMenus();
  if (!dialog.open) dialog.showModal();
}

/** Closes what lies over the page. */
export function closeAll() {
  closeMenus();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}

/** Whether something lies over the page that Escape closes. */
export function isCovered() {
  return document.querySelector('dialog[open], :popover-open') !== null;
}

export function closeMenus() {
  for (const menu of document.querySelectorAll(':popover-open')) menu.hidePopover();
}

/** Makes every button with `data-close` close the dialog that it stands in. */
export function armCloseButtons() {
  for (const button of document.querySelectorAll('dialog [data-close]'))
    button.addEventListener('click', () => button.closest('dialog').close());
}

/**
 * Does what a button asks for, once at a time; a line of the dialog says what went wrong.
 * @param {HTMLElement} line @param {() => Promise<void>} action @param {HTMLButtonElement} [button]
 * @returns {Promise<boolean>} whether it worked
 */
export async function attempt(line, action, button) {
  line.textContent = '';
  if (button) button.disabled = true;
  try {
    await action();
    return true;
  } catch (error) {
    line.textContent = error.message;
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}

/** Copies a text, and says so on the button. Where that is refused the text is marked, to be copied by hand. */
export async function copy(place, button) {
  const isCopied = await copyText(place.textContent);
  button.textContent = isCopied ? 'Copied' : 'Marked';
  if (!isCopied) getSelection()?.selectAllChildren(place);
}
