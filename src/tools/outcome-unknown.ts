/**
 * A tool has handed its work to somebody else and does not know how that ended: the connection broke, or the answer
 * could not be read. The message says what happened; it goes to the model behind "Outcome unknown: ". The call is
 * never made again by itself.
 */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown';
}
