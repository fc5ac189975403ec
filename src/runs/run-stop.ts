/**
 * Why a run is stopped from outside; the reason of its abort signal.
 * `cancel`: its owner wants no more of it. `lost`: another process may own it by now, so nothing is written.
 * `shutdown`: it goes on elsewhere, from its last checkpoint. `timeout`: it has used its time.
 */
export class RunStop extends Error {
  override readonly name = 'RunStop';

  constructor(readonly kind: 'cancel' | 'lost' | 'shutdown' | 'timeout') {
    super(`The run was stopped: ${kind}.`);
  }
}

/** The stop that a signal carries. An append that was refused means that the run is lost. */
export function stopOf(signal: AbortSignal): RunStop {
  return signal.reason instanceof RunStop ? signal.reason : new RunStop('lost');
}
