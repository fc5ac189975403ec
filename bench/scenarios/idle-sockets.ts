import { idleScenario } from '../viewers/idle-measure.ts';

export default idleScenario('socket', {
  name: 'idle-sockets',
  title: 'Idle: 10,000 WebSocket connections',
  description: 'The same over WebSocket; a heartbeat is a ping, and the client answers it.',
});
