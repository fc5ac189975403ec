import { agentline } from '../agentline/agentline.ts';

export default agentline({
  name: 'agentline-postgres',
  title: '**Agentline**, log in PostgreSQL',
  needs: ['postgres'],
});
