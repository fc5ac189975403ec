import { idleScenario } from '../viewers/idle-measure.ts';

export default idleScenario('sse', {
  name: 'idle',
  title: 'Idle: 10,000 SSE connections',
  description:
    'A session without a run is watched, and each connection gets a heartbeat every 15 s. Over the first 15 s, the most CPU time that the event loop took before it turned again, and the longest time that it did not turn, which counts what the machine did meanwhile, too; over the next 15 s, CPU of the whole process. Then memory after two garbage collections, against the same process before.',
});
