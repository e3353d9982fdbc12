/**
 * Which answer leads to which operation, for the document: what a POST made can be read, listed and ended. Generated
 * clients and stateful fuzzing follow these; nothing at run time does. Every name is held against the routes by a test.
 */
export type Link = {
  readonly operationId: string;
  /** Name of the parameter → runtime expression. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly requestBody?: Readonly<Record<string, string>>;
};
type Links = Readonly<Record<string, Link>>;

const ofUser: Links = {
  readUser: { operationId: 'getUser', parameters: { userId: '$response.body#/userId' } },
  listConnectionsOfUser: {
    operationId: 'listConnections',
    parameters: { userId: '$response.body#/userId' },
  },
  connectApp: { operationId: 'createConnection', parameters: { userId: '$response.body#/userId' } },
  startRun: { operationId: 'createRun', requestBody: { userId: '$response.body#/userId' } },
  listRunsOfUser: { operationId: 'listRuns', parameters: { userId: '$response.body#/userId' } },
};
const ofFlow: Links = {
  readFlow: { operationId: 'getConnectionFlow', parameters: { flowId: '$response.body#/flowId' } },
  confirmFlow: {
    operationId: 'confirmConnection',
    parameters: { flowId: '$response.body#/flowId' },
    requestBody: { userId: '$response.body#/userId' },
  },
};
const run = { runId: '$response.body#/id' };
const ofRun: Links = {
  readRun: { operationId: 'getRun', parameters: run },
  listMessages: { operationId: 'listRunMessages', parameters: run },
  listEvents: { operationId: 'listRunEvents', parameters: run },
  cancel: { operationId: 'cancelRun', parameters: run },
};
/** The first call of a run: the one that usually waits, or whose outcome is unknown. */
const ofCalls = (run: string): Links => {
  const parameters = {
    runId: `$response.body#${run}/id`,
    toolCallId: `$response.body#${run}/toolCalls/0/id`,
  };
  return {
    decide: { operationId: 'decideApproval', parameters },
    resolve: { operationId: 'resolveToolCall', parameters },
  };
};
const ofAudit: Links = {
  readAudit: { operationId: 'getAudit', parameters: { auditId: '$response.body#/id' } },
  cancel: { operationId: 'cancelAudit', parameters: { auditId: '$response.body#/id' } },
};
const nextPage = (operationId: string, more: Record<string, string> = {}): Links => ({
  nextPage: { operationId, parameters: { ...more, cursor: '$response.body#/nextCursor' } },
});

/** operationId → status → name of the link → link. */
export const LINKS: Readonly<Record<string, Readonly<Record<number, Links>>>> = {
  putUser: { 200: ofUser, 201: ofUser },
  listUsers: { 200: nextPage('listUsers') },
  createConnection: { 200: ofFlow, 201: ofFlow },
  listConnections: {
    200: {
      disconnect: {
        operationId: 'deleteConnection',
        parameters: { userId: '$request.path.userId', accountId: '$response.body#/items/0/accountId' },
      },
    },
  },
  createRun: { 200: ofRun, 202: ofRun },
  getRun: { 200: { cancel: { operationId: 'cancelRun', parameters: run }, ...ofCalls('') } },
  listRuns: { 200: { ...nextPage('listRuns'), ...ofCalls('/items/0') } },
  listRunMessages: { 200: nextPage('listRunMessages', { runId: '$request.path.runId' }) },
  listRunEvents: { 200: nextPage('listRunEvents', { runId: '$request.path.runId' }) },
  createAudit: { 202: ofAudit },
  listAudits: {
    200: {
      ...nextPage('listAudits'),
      readAudit: { operationId: 'getAudit', parameters: { auditId: '$response.body#/items/0/id' } },
    },
  },
  listDeliveries: {
    200: {
      ...nextPage('listDeliveries'),
      retryDelivery: {
        operationId: 'retryDelivery',
        parameters: { deliveryId: '$response.body#/items/0/id' },
      },
    },
  },
};
