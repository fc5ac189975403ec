import { agentline } from './agentline.ts';

export default agentline({ name: 'agentline', title: '**Agentline**, log in SQLite' });
