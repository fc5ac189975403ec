import { serve } from 'agentline/app';
import { AcmeApplication } from './acme.application.js';

await serve(AcmeApplication);
