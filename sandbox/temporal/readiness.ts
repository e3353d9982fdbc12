/**
 * Asks a Temporal server over gRPC whether a namespace can be worked in: a port that accepts connections says nothing
 * yet about the namespace, nor the namespace about its search attributes. Reads only.
 */
import { connect } from 'node:net';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from './search-attributes.ts';

/** One question to a server that is up takes a few ms; a stuck one must not hold the caller's loop. */
const QUESTION_TIMEOUT_MS = 3_000;

/** Whether namespace and search attributes of the contract are there. False while the server does not answer. */
export async function isNamespaceReady(address: string, namespace: string): Promise<boolean> {
  if (!(await acceptsConnections(address))) return false; // spares gRPC's own back-off of a second and more
  const connection = Connection.lazy({ address, tls: false });
  try {
    return await connection.withDeadline(Date.now() + QUESTION_TIMEOUT_MS, async () => {
      await connection.workflowService.describeNamespace({ namespace });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      return Object.keys(SEARCH_ATTRIBUTES).every((name) => Object.hasOwn(customAttributes, name));
    });
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}

function acceptsConnections(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(QUESTION_TIMEOUT_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
