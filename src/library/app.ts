/** `agentline/app`: the whole application, to be put around modules of one's own. */
export { AppModule } from '../app.module.js';
export { createApp } from '../app.setup.js';
export { serve } from '../serve.js';
