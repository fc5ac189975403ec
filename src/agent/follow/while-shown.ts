import type { ShownFor } from '../../sessions/sessions.service.js';
import type { ViewBatch } from '../view-plan.js';

/** A view of what others show. @throws what `watch` says once it is not shown any more: AppError `not_found`. */
export async function* whileShown(
  watch: () => Promise<ShownFor | undefined>,
  read: (signal: AbortSignal) => AsyncGenerator<ViewBatch, void>,
  signal: AbortSignal,
): AsyncGenerator<ViewBatch, void> {
  const shown = await watch();
  try {
    yield* read(shown === undefined ? signal : AbortSignal.any([signal, shown.signal]));
    if (!signal.aborted) shown?.signal.throwIfAborted();
  } finally {
    shown?.stop();
  }
}
