/** The adapter by composio-core passes the port's conformance suite. */
import { createComposio } from '../../composio/create-composio.ts';
import { describeComposioPort } from './conformance.ts';

describeComposioPort('composio-core', (config) => createComposio({ ...config, sdk: 'composio-core' }));
