/** `npm run sandbox:composio`: the sandbox as a process. Prints one JSON line when it is ready; ends on SIGTERM, SIGINT or when its parent goes. */
import { DEFAULT_SETTINGS, type SandboxOptions } from './options.ts';
import { type ComposioSandbox, createComposioSandbox } from './server.ts';

function optionsFrom(env: NodeJS.ProcessEnv): SandboxOptions {
  return {
    port: Number(env['COMPOSIO_SANDBOX_PORT'] || 0),
    host: env['COMPOSIO_SANDBOX_HOST'] || '127.0.0.1',
    ...(env['COMPOSIO_SANDBOX_PUBLIC_URL'] ? { publicUrl: env['COMPOSIO_SANDBOX_PUBLIC_URL'] } : {}),
    ...(env['COMPOSIO_SANDBOX_DATA'] ? { dataDir: env['COMPOSIO_SANDBOX_DATA'] } : {}),
    ...(env['COMPOSIO_SANDBOX_API_KEY'] ? { apiKeys: env['COMPOSIO_SANDBOX_API_KEY'].split(',') } : {}),
    settings: {
      rateLimit: Number(env['COMPOSIO_SANDBOX_REQUESTS_PER_MINUTE'] || DEFAULT_SETTINGS.rateLimit),
      linkTtlMs: Number(env['COMPOSIO_SANDBOX_LINK_TTL_MS'] || DEFAULT_SETTINGS.linkTtlMs),
    },
  };
}

function endWith(sandbox: ComposioSandbox): void {
  const end = (): void => {
    void sandbox.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  // Without its parent nobody would ever stop it.
  if (process.channel) process.on('disconnect', end);
}

try {
  const sandbox = await createComposioSandbox(optionsFrom(process.env));
  endWith(sandbox);
  console.log(JSON.stringify({ ready: true, url: sandbox.url }));
} catch (error) {
  console.error(
    `The Composio sandbox cannot start: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
}
