import { ToolError } from '../tool-error.js';

export interface TextEdit {
  old_string: string;
  new_string: string;
  /** Every place; without it there has to be exactly one. */
  replace_all?: boolean | undefined;
}

export interface EditedText {
  text: string;
  /** Places that were replaced, over all edits. */
  replacements: number;
}

/**
 * Applies edits in order, each to what the one before left: all of them, or none.
 * @throws ToolError that says which edit does not fit, and why; also when the text would get longer than `maxLength`.
 */
export function applyEdits(text: string, edits: readonly TextEdit[], maxLength: number): EditedText {
  let edited: EditedText = { text, replacements: 0 };
  for (const [index, edit] of edits.entries()) {
    const which = edits.length === 1 ? 'The edit' : `Edit ${index + 1} of ${edits.length}`;
    const { text: next, replacements } = applyEdit(edited.text, edit, maxLength, which);
    edited = { text: next, replacements: edited.replacements + replacements };
  }
  return edited;
}

function applyEdit(text: string, edit: TextEdit, maxLength: number, which: string): EditedText {
  const { old_string: former, new_string: next } = edit;
  if (former === '') throw unfit(which, 'old_string is empty: name the text to replace');
  if (former === next) throw unfit(which, 'old_string and new_string are the same');
  const first = text.indexOf(former);
  if (first === -1) {
    throw unfit(
      which,
      'old_string is not in the file: it has to match to the character, spaces and line ends too',
    );
  }
  if (edit.replace_all !== true) {
    if (text.includes(former, first + 1))
      throw unfit(
        which,
        'old_string is in the file more than once: add what stands around it, or set replace_all',
      );
    return { text: text.slice(0, first) + next + text.slice(first + former.length), replacements: 1 };
  }
  const parts = text.split(former);
  const replacements = parts.length - 1;
  // Before joining: a short text in many places may become more than a string can hold.
  if (text.length + replacements * (next.length - former.length) > maxLength)
    throw unfit(which, `the file would have more than ${maxLength} characters`);
  return { text: parts.join(next), replacements };
}

function unfit(which: string, why: string): ToolError {
  return new ToolError(`${which} cannot be made: ${why}. Nothing was changed.`);
}
