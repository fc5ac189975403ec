import { agentline } from '../agentline/agentline.ts';

export default agentline({
  name: 'agentline-redis',
  title: '**Agentline**, SQLite, log in Redis',
  needs: ['redis'],
});
