/** A versioned worker polls and gets nothing until its version is current: whoever deploys it must be told how. */
import type { Logger } from 'pino';
import type { WorkerDeployment } from './create-worker.ts';

export function sayVersion(deployment: WorkerDeployment | null, namespace: string, logger: Logger): void {
  if (deployment === null) return;
  const { name, buildId } = deployment;
  const command =
    `temporal worker deployment set-current-version --namespace ${namespace}` +
    ` --deployment-name ${name} --build-id ${buildId} --yes`;
  logger.info({ ...deployment, command }, 'the worker gets work once its version is the current one');
}
