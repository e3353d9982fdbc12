/**
 * `node test/histories/save.ts <workflow id> <name>`: a workflow's history, as it is now, becomes a file of this folder. Temporal's
 * own variables say where it is. What `temporal workflow show -o json` writes is another form of JSON, which is not replayed.
 */
import { Client, Connection } from '@temporalio/client';
import { loadTemporalConfig } from '../../config/temporal.ts';
import { readHistory, saveHistory } from './replay.ts';

const [workflowId, name] = process.argv.slice(2);
if (!workflowId || !name) throw new Error('node test/histories/save.ts <workflow id> <name>');
const { connectionOptions, namespace } = loadTemporalConfig(process.env);
const connection = await Connection.connect(connectionOptions);
saveHistory(name, workflowId, await readHistory(new Client({ connection, namespace }), workflowId));
await connection.close();
