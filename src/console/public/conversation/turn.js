import { RunFollower } from '../run/run-follower.js';
import { RunView } from '../run/run-view.js';
import { WireLog } from '../run/wire-log.js';

const nobody = () => undefined;

/** One message of the user and the run that it began. */
export class Turn {
  /** @param {object} run as the API tells it, at least `id` and `session_id` @param {object} options for its view */
  constructor(run, options) {
    this.run = run;
    this.view = new RunView({ ...options, id: run.id });
    this.log = null;
  }

  /**
   * Follows the run from its first event.
   * @param {object} listener
   * @param {() => void} listener.onChange
   * @param {(state: string, reconnects: number) => void} listener.onState
   * @param {(log: object) => void} listener.onWire the log has grown
   * @param {(error?: Error) => void} listener.onEnd
   */
  follow({ onChange, onState, onWire, onEnd }) {
    return this.#record({
      onState,
      onEnd,
      onWire,
      onEvent: (event) => {
        this.view.apply(event);
        onChange();
      },
    });
  }

  /** Reads the events again, for the log alone: what is shown of a run of the past was made of its messages. */
  replay(onWire) {
    return this.#record({ onState: nobody, onEnd: nobody, onEvent: nobody, onWire });
  }

  #record({ onState, onEnd, onWire, onEvent }) {
    const { created_at: begun } = this.run;
    // By the clock of the server; where that of this computer is behind, from now on.
    const log = new WireLog(begun ? Math.max(0, Date.now() - Date.parse(begun)) : 0);
    this.log = log;
    const follower = new RunFollower(this.run, {
      onState,
      onEnd,
      onWire: (happening) => {
        log.happening(happening);
        onWire(log);
      },
      onEvent: (event) => {
        log.event(event);
        onWire(log);
        onEvent(event);
      },
    });
    void follower.follow();
    return follower;
  }
}
