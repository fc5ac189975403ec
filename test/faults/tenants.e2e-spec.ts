import { ServerProcess } from '../support/server-process.js';
import { describeTenants } from '../support/tenants/tenants-story.js';

// Twelve runs at once make more than 10,000 events.
describeTenants({ start: (env) => ServerProcess.start({ env }), tokens: 850, times: 60 });
