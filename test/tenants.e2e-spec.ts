import { startApp } from './support/app.js';
import { describeTenants } from './support/tenants/tenants-story.js';

// With 10,000 events, and how long answers take: test/faults/tenants.e2e-spec.ts.
describeTenants({ start: startApp, tokens: 50, times: 0 });
